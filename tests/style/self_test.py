"""Each check must fail on a planted violation, and name it: a check that cannot fail proves nothing."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
CXX = os.environ.get("CXX", "c++")


class Planted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.plant("src/base/fine.hpp", "#pragma once\n#include <string>\n")
        self.plant("src/base/fine.cpp", '#include "base/fine.hpp"\n')

    def plant(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def run_check(self, name, *arguments):
        return subprocess.run([sys.executable, SCRIPTS / name, *arguments], capture_output=True, text=True, check=False)

    def passes(self, name):
        result = self.run_check(name, "--root", self.root)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def finds(self, name, expected):
        result = self.run_check(name, "--root", self.root)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn(expected, result.stdout)


class Floors(Planted):
    def finds_in(self, path, text, expected):
        self.plant(path, text)
        self.finds("check-floors", f"{path}:{expected}")

    def test_lets_a_room_include_lower_floors_and_itself_and_along_an_arrow(self):
        self.plant("src/gateway/a.hpp", '#include "base/fine.hpp"\n#include "protocol/mqtt/b.hpp"\n#include "gateway/c.hpp"\n')
        self.plant("src/protocol/engineio/a.hpp", '#include "protocol/websocket/b.hpp"\n')
        self.plant("src/io/a.hpp", "#include <boost/asio.hpp>\n#include <thread>\n")
        self.passes("check-floors")

    def test_finds_an_include_that_goes_up(self):
        self.finds_in("src/protocol/mqtt/a.hpp", '\n#include "gateway/b.hpp"\n', "2: protocol/mqtt may not include gateway/b.hpp: that goes up")

    def test_finds_an_include_that_goes_sideways(self):
        self.finds_in("src/io/a.cpp", '#include "api/b.hpp"\n', "1: io may not include api/b.hpp: that goes sideways")

    def test_finds_an_include_against_an_arrow(self):
        self.finds_in("src/protocol/websocket/a.hpp", '#include "protocol/engineio/b.hpp"\n', "1: protocol/websocket may not")

    def test_keeps_the_gateway_to_the_public_headers_of_the_library(self):
        self.plant("src/gateway/fine.hpp", '#include "protocol/socketio/server.hpp"\n')
        self.plant("src/api/testing.hpp", '#include "protocol/engineio/test_bench.hpp"\n')
        self.plant("src/serving/fine.hpp", '#include "protocol/engineio/server.hpp"\n')
        self.passes("check-floors")
        for header in ("protocol/socketio/decoder.hpp", "protocol/engineio/server.hpp", "protocol/websocket/encoder.hpp"):
            self.finds_in("src/api/a.cpp", f'#include "{header}"\n', f"1: {header} is internal to the Socket.IO library")

    def test_holds_tests_to_the_floors(self):
        self.finds_in("src/base/fine_test.cpp", '#include "gateway/b.hpp"\n', "1: base may not include")

    def test_finds_a_room_that_is_in_no_table(self):
        self.finds_in("src/cellar/a.hpp", "", "1: lies in no known room")

    def test_finds_relative_includes(self):
        self.finds_in("src/base/a.hpp", '#include "../base/fine.hpp"\n', "1: ")
        self.finds_in("src/base/b.hpp", '#include "fine.hpp"\n', "1: ")

    def test_finds_headers_of_io_in_pure_rooms(self):
        for room in ("base", "protocol/jwt", "gateway", "api"):
            for header in ("boost/asio/ip/tcp.hpp", "boost/beast/core.hpp", "thread", "mutex", "fstream", "sys/socket.h", "unistd.h"):
                self.finds_in(f"src/{room}/a.hpp", f"#include <{header}>\n", f"1: {room} does no I/O")

    def test_finds_calls_for_time_chance_and_environment_in_pure_rooms(self):
        for call in ("std::chrono::steady_clock::now()", "WallClock::now ()", 'std::getenv("HOME")', "std::random_device{}()", "::time(nullptr)"):
            self.finds_in("src/gateway/a.cpp", f"// why\nauto x = {call};\n", "2: gateway does no I/O")

    def test_reads_neither_comments_nor_texts(self):
        self.plant("src/base/a.hpp", '// now() is not for us /* getenv(\n/* now() */ auto t = "now()"; auto c = \'"\'; auto r = R"(now())";\n')
        self.passes("check-floors")


class Style(Planted):
    def test_accepts_a_clean_tree(self):
        self.plant("src/base/fine_test.cpp", '#include "base/fine.hpp"\n')
        self.plant("src/base/fine_part.cpp", '#include "base/fine.hpp"\n')
        self.plant("src/app/main.cpp", "int main() {}\n")
        self.passes("check-style")

    def test_finds_a_source_file_without_its_header(self):
        self.plant("src/base/lost.cpp", "\n")
        self.finds("check-style", "src/base/lost.cpp: has no lost.hpp beside it")

    def test_finds_a_test_of_nothing(self):
        self.plant("src/base/lost_test.cpp", "\n")
        self.finds("check-style", "src/base/lost_test.cpp: has no lost.hpp beside it")

    def test_finds_marks_without_an_owner(self):
        self.plant("src/base/a.hpp", "\n// FIX" + "ME: later\n")
        self.finds("check-style", "src/base/a.hpp:2: FIX" + "ME without an owner")

    def test_accepts_marks_with_an_owner(self):
        self.plant("src/base/a.hpp", "// TO" + "DO(alice): later\n")
        self.passes("check-style")

    def test_finds_a_missing_last_newline(self):
        self.plant("docs/a.md", "text")
        self.finds("check-style", "docs/a.md: does not end in a newline")

    def test_finds_white_space_at_the_end(self):
        self.plant("scripts/a", "text \n")
        self.finds("check-style", "scripts/a:1: white space at the end")


class Symbols(Planted):
    def archive_of(self, code):
        source = self.plant("code.cpp", code)
        compiled, archive = self.root / "code.o", self.root / "code.a"
        subprocess.run([CXX, "-std=c++20", "-c", source, "-o", compiled], check=True)
        archive.unlink(missing_ok=True)
        subprocess.run(["ar", "rcs", archive, compiled], check=True)
        return archive

    def test_accepts_an_archive_that_only_computes(self):
        archive = self.archive_of("#include <string>\nstd::string twice(const std::string& s) { return s + s; }\n")
        result = self.run_check("check-symbols", archive)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_finds_what_reaches_outside(self):
        for header, code, wanted in (
            ("sys/socket.h", "int f() { return socket(1, 2, 3); }", "socket"),
            ("sys/epoll.h", "int f() { return epoll_create1(0); }", "epoll_create1"),
            ("pthread.h", "int f(pthread_mutex_t* m) { return pthread_mutex_lock(m); }", "pthread_mutex_lock"),
            ("cstdlib", 'char* f() { return std::getenv("HOME"); }', "getenv"),
            ("fcntl.h", 'int f() { return open("x", 0); }', "open"),
            ("chrono", "auto f() { return std::chrono::steady_clock::now(); }", "std::chrono::_V2::steady_clock::now()"),
            ("fstream", 'void f() { std::ofstream("x") << 1; }', "std::basic_ofstream"),
        ):
            result = self.run_check("check-symbols", self.archive_of(f"#include <{header}>\n{code}\n"))
            self.assertEqual(result.returncode, 1, wanted)
            self.assertIn(f"(code.o): wants {wanted}", result.stdout)

    def test_fails_without_anything_to_look_at(self):
        empty = self.root / "empty.a"
        subprocess.run(["ar", "rcs", empty], check=True)
        self.assertNotEqual(self.run_check("check-symbols", empty).returncode, 0)
        self.assertNotEqual(self.run_check("check-symbols").returncode, 0)


if __name__ == "__main__":
    unittest.main()
