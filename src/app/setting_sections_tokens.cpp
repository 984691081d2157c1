#include "app/setting_sections.hpp"

#include "app/setting_kinds.hpp"
#include "app/setting_parsers.hpp"
#include "app/values.hpp"
#include "gateway/claim_path.hpp"
#include "io/jwks_source.hpp"

namespace famemely::app {
namespace {

using namespace std::chrono_literals;

using Answer = std::optional<std::string>;

Setting http_url_setting(std::string name, std::string Config::*member, std::string help) {
  Setting setting = text_setting(std::move(name), member, std::move(help));
  setting.kind = SettingKind::url;
  setting.allowed = "an http:// or https:// URL";
  setting.set = [member](Config& config, std::string_view text) -> Answer {
    auto url = parse_http_url(text);
    if (!url) return url.error();
    config.*member = std::move(*url);
    return std::nullopt;
  };
  return setting;
}

Setting jwks_url() {
  Setting setting = text_setting(
      "SUPABASE_JWKS_URL", &Config::supabase_jwks_url,
      "Where the keys for RS256, ES256 and EdDSA tokens are: fetched every 10 minutes, or as often as the answer's "
      "`max-age` says, and when a token names an unknown key, at most once in 30 s. See docs/tokens.md.");
  setting.kind = SettingKind::url;
  setting.secrecy = Secrecy::password_inside;
  setting.allowed = "an https:// or file: URL, or http:// to this machine";
  setting.set = [](Config& config, std::string_view text) -> Answer {
    if (auto location = io::JwksLocation::parse(text); !location) return location.error();
    config.supabase_jwks_url = text;
    return std::nullopt;
  };
  setting.fallback_words = "`<SUPABASE_URL>/auth/v1/.well-known/jwks.json`";
  return setting;
}

Setting audience() {
  Setting setting = with_default(text_setting("JWT_AUDIENCE", &Config::jwt_audience,
                                              "The `aud` that tokens must name. Empty switches the check off."),
                                 "authenticated");
  setting.allowed = "a text, or empty";
  setting.empty_counts = true;
  return setting;
}

Setting role_claims() {
  Setting setting =
      with_default(text_setting("JWT_ROLE_CLAIMS", &Config::jwt_role_claims,
                                "Where a token's roles come from: claims that are texts or arrays of texts."),
                   "role,user_role,app_metadata.role,app_metadata.roles");
  setting.kind = SettingKind::list;
  setting.allowed = "names of claims separated by commas, with dots into objects";
  setting.set = [](Config& config, std::string_view text) -> Answer {
    if (auto claims = gateway::RoleClaims::parse(text); !claims) return claims.error();
    config.jwt_role_claims = join_list(split_list(text));
    return std::nullopt;
  };
  return setting;
}

}  // namespace

std::vector<Setting> token_settings() {
  return {
      secret(checked_text("SUPABASE_JWT_SECRET", &Config::supabase_jwt_secret, "a secret of at least 32 bytes",
                          "Secret of HS256 tokens. The published defaults of local Supabase stacks are accepted only "
                          "while listening on loopback.",
                          [](std::string_view text) { return text.size() >= 32; })),
      http_url_setting("SUPABASE_URL", &Config::supabase_url,
                       "URL of the Supabase project: its signing keys verify RS256, ES256 and EdDSA tokens, and tokens "
                       "must have the "
                       "`iss` `<SUPABASE_URL>/auth/v1`."),
      jwks_url(),
      with_default(duration_setting("JWKS_MAX_STALE", &Config::jwks_max_stale, 0s, 365 * 24h,
                                    "How long the last keys serve while they can't be fetched again."),
                   "1d"),
      audience(),
      with_default(
          duration_setting("JWT_LEEWAY", &Config::jwt_leeway, 0s, 1h,
                           "How far the clocks of issuer and gateway may be apart, for `exp`, `nbf` and `iat`."),
          "10s"),
      role_claims(),
      file_setting("API_KEYS_FILE", &Config::api_keys_file,
                   "Keys for backends, a line each, as `famemely-mqtt key create` prints it. Read again when it "
                   "changes. See docs/tokens.md."),
      with_default_words(
          file_setting("PERMISSIONS_FILE", &Config::permissions_file,
                       "YAML file of who may publish and subscribe where (permissions.md). Read again when it changes, "
                       "and on SIGHUP."),
          "built-in policy"),
  };
}

}  // namespace famemely::app
