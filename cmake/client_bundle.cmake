# The official client's browser builds, carried inside the program and served under /socket.io/. They come from the npm
# package that client_bundle/package-lock.json pins; without it the program says so where the files would be.
option(FAMEMELY_CLIENT_BUNDLE "Carry the socket.io-client bundle inside the program (needs node and the npm package)" ON)

set(bundle_folder ${CMAKE_CURRENT_LIST_DIR}/client_bundle)
set(bundle_dist ${bundle_folder}/node_modules/socket.io-client/dist)
set(bundle_out ${PROJECT_BINARY_DIR}/client_bundle)

if(FAMEMELY_CLIENT_BUNDLE)
  find_program(FAMEMELY_BUNDLE_NODE NAMES node nodejs
    HINTS ${PROJECT_SOURCE_DIR}/.tools/node/node_modules/.bin NO_CACHE)
  if(NOT FAMEMELY_BUNDLE_NODE OR NOT EXISTS ${bundle_dist}/socket.io.js)
    message(FATAL_ERROR "The client bundle needs node and the npm package socket.io-client: run scripts/setup run, or npm "
      "ci --ignore-scripts in cmake/client_bundle. Without it: -DFAMEMELY_CLIENT_BUNDLE=OFF.")
  endif()
  add_custom_command(
    OUTPUT ${bundle_out}/client_bundle_data.cpp
    COMMAND ${FAMEMELY_BUNDLE_NODE} ${bundle_folder}/embed.mjs ${bundle_dist} ${bundle_out}
    DEPENDS ${bundle_folder}/embed.mjs ${bundle_folder}/package-lock.json ${bundle_dist}/socket.io.js
    COMMENT "Compressing the client bundle" VERBATIM)
else()
  file(CONFIGURE OUTPUT ${bundle_out}/client_bundle_data.cpp CONTENT [=[
#include "app/embedded_client_bundle.hpp"

namespace famemely::app {

std::span<const api::BundledFile> embedded_client_bundle() { return {}; }

}  // namespace famemely::app
]=] @ONLY)
endif()

add_library(client_bundle STATIC ${bundle_out}/client_bundle_data.cpp)
target_link_libraries(client_bundle PRIVATE famemely_flags)
# Its symbols are placed by the assembler, where link-time optimisation can't see them; and it is made, not written.
set_target_properties(client_bundle PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF CXX_CLANG_TIDY "")
