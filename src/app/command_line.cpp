#include "app/command_line.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <deque>
#include <memory>

#include "app/config_text.hpp"
#include "app/dev_secret.hpp"
#include "app/load_config.hpp"
#include "app/load_rules.hpp"
#include "app/permissions_check.hpp"
#include "app/settings_table.hpp"
#include "app/user_token.hpp"
#include "app/values.hpp"
#include "app/version.hpp"
#include "base/utf8.hpp"
#include "gateway/api_keys.hpp"

namespace famemely::app {
namespace {

/// The grammar of the command line, and what stood there after `parse`.
class Grammar {
 public:
  Grammar() {
    app_.set_help_flag();
    app_.allow_extras();
    app_.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app_.add_flag("-h,--help", help_);
    app_.add_flag("-V,--version", version_);
    app_.add_flag("--print-documentation", documentation_);
    app_.add_flag("--dev", request_.dev);
    app_.add_flag("--check-config", check_);
    app_.add_flag("--print-config", print_);
    env_file_ = app_.add_option("--env-file", env_file_text_);
    yaml_file_ = app_.add_option("--config", yaml_file_text_);
    for (const Setting& setting : settings()) {
      std::string& text = texts_.emplace_back();
      flags_.push_back(setting.kind == SettingKind::toggle ? app_.add_flag(setting.flag(), text)
                                                           : app_.add_option(setting.flag(), text));
    }
    token_ = app_.add_subcommand("token");
    token_->fallthrough();
    token_->add_option("--sub", sub_);
    token_->add_option("--role", role_);
    token_->add_option("--expires", expires_);
    token_->add_option("--claim", claims_)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(false);
    permissions_ = app_.add_subcommand("permissions");
    permissions_->fallthrough();
    permissions_->add_option("words", words_);
    permissions_token_ = permissions_->add_option("--token", token_text_);
    permissions_->add_option("--sub", sub_);
    permissions_->add_option("--role", role_);
    permissions_->add_option("--claim", claims_)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(false);
    key_ = app_.add_subcommand("key");
    key_->fallthrough();
    key_->require_subcommand(1);
    create_key_ = key_->add_subcommand("create");
    create_key_->add_option("--name", key_name_);
    create_key_->add_option("--role", key_role_);
  }

  /// What is wrong, if anything.
  std::optional<std::string> parse(const std::vector<std::string>& given) {
    std::vector<std::string> arguments = with_empty_values(given);
    std::ranges::reverse(arguments);  // as CLI11 wants them
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
      return error.what();
    }
    for (std::size_t i = 0; i < flags_.size(); ++i)
      if (flags_[i]->count() > 0)
        request_.flags[settings()[i].name] = GivenValue{texts_[i], "flag " + settings()[i].flag()};
    if (env_file_->count() > 0) request_.env_file = env_file_text_;
    if (yaml_file_->count() > 0) request_.yaml_file = yaml_file_text_;
    request_.serves = !wants_token() && !wants_key() && !wants_permissions();
    request_.verifies = !wants_permissions();
    const auto extras = app_.remaining(true);
    if (!extras.empty() && !help_ && !version_) return unknown(extras.front());
    return std::nullopt;
  }

  [[nodiscard]] bool wants_help() const { return help_; }
  [[nodiscard]] bool wants_version() const { return version_; }
  [[nodiscard]] bool wants_documentation() const { return documentation_; }
  [[nodiscard]] bool wants_check() const { return check_; }
  [[nodiscard]] bool wants_print() const { return print_; }
  [[nodiscard]] bool wants_token() const { return token_->parsed(); }
  [[nodiscard]] bool wants_permissions() const { return permissions_->parsed(); }
  [[nodiscard]] bool wants_key() const { return key_->parsed(); }
  [[nodiscard]] const ConfigRequest& request() const { return request_; }

  /// The request of the subcommand `token`.
  [[nodiscard]] Result<TokenRequest, std::string> token() const {
    TokenRequest request{.subject = sub_, .role = role_};
    if (sub_.empty()) return failure(std::string("token: --sub USER is missing; it names the user"));
    if (!is_utf8(sub_) || !is_utf8(role_)) return failure(std::string("token: --sub and --role must be UTF-8"));
    constexpr auto kLifetimeMax = std::chrono::hours(24 * 3650);
    const auto lifetime = parse_duration(expires_);
    if (!lifetime || lifetime->count() == 0 || *lifetime > kLifetimeMax)
      return failure("token: --expires \"" + expires_ +
                     "\" is not allowed: allowed: a duration such as 90s, 1h or 7d, " + "to 3650d");
    request.lifetime = *lifetime;
    if (auto fault = add_claims(request)) return failure("token: " + *fault);
    return request;
  }

  /// What is wrong with the words of `key create`, if anything.
  [[nodiscard]] std::optional<std::string> key_fault() const {
    for (const auto& [flag, value] : {std::pair{"--name N", key_name_}, std::pair{"--role R", key_role_}}) {
      if (value.empty()) return "key create: " + std::string(flag) + " is missing";
      if (!gateway::is_api_key_word(value))
        return "key create: " + std::string(flag) +
               " is not allowed: allowed: letters, digits, '.', '_' and '-', at "
               "most 64";
    }
    return std::nullopt;
  }
  [[nodiscard]] const std::string& key_name() const { return key_name_; }
  [[nodiscard]] const std::string& key_role() const { return key_role_; }

  /// The question of the subcommand `permissions`.
  [[nodiscard]] Result<PermissionQuestion, std::string> question() const {
    if (words_.size() != 3 || words_[0] != "check")
      return failure(
          std::string("permissions: allowed: permissions check (--token TOKEN | --sub USER [--role R]) "
                      "publish|subscribe TOPIC"));
    PermissionQuestion question{.claims = {.subject = sub_, .role = role_}, .operation = words_[1], .topic = words_[2]};
    if (permissions_token_->count() > 0) question.token = token_text_;
    if (question.token.has_value() != sub_.empty())
      return failure(std::string("permissions check: one of --token TOKEN and --sub USER must be given"));
    if (!is_utf8(sub_) || !is_utf8(role_))
      return failure(std::string("permissions check: --sub and --role must be UTF-8"));
    if (auto fault = add_claims(question.claims)) return failure("permissions check: " + *fault);
    return question;
  }

 private:
  /// What is wrong, if anything.
  [[nodiscard]] std::optional<std::string> add_claims(TokenRequest& request) const {
    for (const std::string& text : claims_) {
      auto claim = parse_claim(text);
      if (!claim) return std::move(claim.error());
      request.claims.push_back(std::move(*claim));
    }
    return std::nullopt;
  }

  /// CLI11 takes `--flag=` for a flag whose value is the next argument; to us it is one whose value is empty. That of a
  /// toggle is then its default.
  [[nodiscard]] static std::vector<std::string> with_empty_values(const std::vector<std::string>& given) {
    std::vector<std::string> arguments;
    for (const std::string& argument : given) {
      const bool empty = argument.starts_with("--") && argument.find('=') == argument.size() - 1;
      const auto is_toggle = [&](const Setting& setting) {
        return setting.kind == SettingKind::toggle && setting.flag() + "=" == argument;
      };
      if (empty && std::ranges::any_of(settings(), is_toggle)) {
        arguments.push_back(argument + "false");
      } else if (empty) {
        arguments.insert(arguments.end(), {argument.substr(0, argument.size() - 1), ""});
      } else {
        arguments.push_back(argument);
      }
    }
    return arguments;
  }

  [[nodiscard]] std::string unknown(const std::string& argument) const {
    if (!argument.starts_with('-')) return "the argument \"" + argument + "\" is not expected here; see --help";
    std::vector<std::string> known{"--help",         "--version",  "--dev",   "--check-config",
                                   "--print-config", "--env-file", "--config"};
    if (wants_token()) known.insert(known.end(), {"--sub", "--role", "--expires", "--claim"});
    if (wants_key()) known.insert(known.end(), {"--name", "--role"});
    if (wants_permissions()) known.insert(known.end(), {"--token", "--sub", "--role", "--claim"});
    for (const Setting& setting : settings()) known.push_back(setting.flag());
    const std::string flag = argument.substr(0, argument.find('='));
    return "the flag " + flag + " is unknown; the nearest known flag is " + nearest_name(flag, known) + "; see --help";
  }

  CLI::App app_;
  bool help_ = false;
  bool version_ = false;
  bool documentation_ = false;
  bool check_ = false;
  bool print_ = false;
  ConfigRequest request_;
  std::string env_file_text_;
  std::string yaml_file_text_;
  CLI::Option* env_file_ = nullptr;
  CLI::Option* yaml_file_ = nullptr;
  std::deque<std::string> texts_;  // of flags_, at addresses that stay
  std::vector<CLI::Option*> flags_;
  CLI::App* token_ = nullptr;
  CLI::App* permissions_ = nullptr;
  CLI::Option* permissions_token_ = nullptr;
  CLI::App* key_ = nullptr;
  CLI::App* create_key_ = nullptr;
  std::string key_name_;
  std::string key_role_;
  std::vector<std::string> words_;
  std::string token_text_;
  std::string sub_;
  std::string role_ = "authenticated";
  std::string expires_ = "1h";
  std::vector<std::string> claims_;
};

auto refused(std::string message) { return failure(CommandError{std::move(message), 2}); }

/// With `--dev` a missing secret is made, or found where an earlier run left it. Nowhere else: who verifies by other
/// keys accepts no secret that he has not set.
std::optional<CommandError> complete_secret(Config& config, const Surroundings& around, RandomSource& random) {
  if (!config.supabase_jwt_secret.empty() || !config.dev) return std::nullopt;
  auto secret = dev_secret(around.directory, random);
  if (!secret) return CommandError{std::move(secret.error()), 2};
  config.supabase_jwt_secret = std::move(*secret);
  return std::nullopt;
}

Result<Command, CommandError> answer_permissions(const Grammar& grammar, const Config& config,
                                                 const Surroundings& around) {
  const auto question = grammar.question();
  if (!question) return refused(question.error());
  auto loaded = load_rules(config, around.directory);
  if (!loaded) return refused("PERMISSIONS_FILE: " + loaded.error());
  const auto policy = std::make_shared<const gateway::PermissionPolicy>(std::move(loaded->rules));
  auto answer = check_permission(*question, policy, config, around.now);
  if (!answer) return refused(std::move(answer.error()));
  return PrintText{std::move(answer->text), answer->allowed ? 0 : 1};
}

}  // namespace

Result<Command, CommandError> parse_command_line(const std::vector<std::string>& arguments, const Surroundings& around,
                                                 RandomSource& random) {
  Grammar grammar;
  if (auto fault = grammar.parse(arguments)) return refused(std::move(*fault));
  if (grammar.wants_help()) return PrintText{help_text()};
  if (grammar.wants_version()) return PrintText{"famemely-mqtt " + std::string(kVersion) + "\n"};
  if (grammar.wants_documentation()) return PrintText{configuration_document()};
  if (grammar.wants_key()) {
    if (auto fault = grammar.key_fault()) return refused(*std::move(fault));
    const std::string key = gateway::make_api_key(random);
    return PrintText{key + "\n" + gateway::api_key_line(grammar.key_name(), grammar.key_role(), key) + "\n"};
  }

  auto loaded = load_config(grammar.request(), around);
  if (!loaded) return refused(std::move(loaded.error()));
  if (grammar.wants_print()) return PrintText{print_config(loaded->config)};
  if (grammar.wants_check()) return CheckConfig{std::move(loaded->warnings)};
  if (grammar.wants_permissions()) return answer_permissions(grammar, loaded->config, around);
  if (grammar.wants_token()) {
    const auto request = grammar.token();
    if (!request) return refused(request.error());
    if (auto error = complete_secret(loaded->config, around, random)) return failure(std::move(*error));
    if (loaded->config.supabase_jwt_secret.empty())
      return refused("token: there is no secret to sign with: set SUPABASE_JWT_SECRET, or try --dev");
    return PrintText{make_token(*request, loaded->config, around.now) + "\n"};
  }
  if (auto error = complete_secret(loaded->config, around, random)) return failure(std::move(*error));
  return Serve{std::move(loaded->config), std::move(loaded->warnings)};
}

Result<LogLevel, std::string> read_log_level(const std::vector<std::string>& arguments, const Surroundings& around) {
  Grammar grammar;
  if (auto fault = grammar.parse(arguments)) return failure(*std::move(fault));
  ConfigRequest request = grammar.request();
  request.serves = request.verifies = false;
  auto loaded = load_config(request, around);
  if (!loaded) return failure(std::move(loaded.error()));
  return loaded->config.log_level;
}

}  // namespace famemely::app
