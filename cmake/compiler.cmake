# Flags that every target shares: warnings are errors, sanitizers, ccache.
add_library(famemely_flags INTERFACE)
target_compile_options(famemely_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Woverloaded-virtual -Wimplicit-fallthrough -fno-omit-frame-pointer)
target_include_directories(famemely_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13 AND CMAKE_BUILD_TYPE STREQUAL "Release")
  # At -O2 GCC 12 finds these two inside its own std::variant and std::string, where they are not. The other builds ask.
  target_compile_options(famemely_flags INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()

if(FAMEMELY_SANITIZE)
  target_compile_options(famemely_flags INTERFACE -fsanitize=${FAMEMELY_SANITIZE} -fno-sanitize-recover=all -g)
  target_link_options(famemely_flags INTERFACE -fsanitize=${FAMEMELY_SANITIZE})
  if(FAMEMELY_SANITIZE MATCHES "thread")
    # GCC's thread sanitizer does not support the fences that Asio uses by default.
    target_compile_definitions(famemely_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()
if(FAMEMELY_COVERAGE)
  target_compile_options(famemely_flags INTERFACE --coverage)
  target_link_options(famemely_flags INTERFACE --coverage)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need these two liberties to hit the cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  endif()
endif()
