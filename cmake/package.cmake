# `cmake --install` puts the server, and for C++ programs the headers, one archive and the package `famemely_mqtt`:
#   find_package(famemely_mqtt REQUIRED)
#   target_link_libraries(backend PRIVATE famemely::mqtt_service)   # or famemely::gateway
# docs/cpp_library.md tells the rest.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(objects)
foreach(room base protocol_jwt protocol_mqtt protocol_websocket protocol_engineio protocol_socketio socketio gateway api
             serving io client_bundle app famemely)
  get_target_property(kind ${room} TYPE)
  if(kind STREQUAL "STATIC_LIBRARY")
    list(APPEND objects $<TARGET_OBJECTS:${room}>)
  endif()
endforeach()

# The rooms in one archive; a program gets of it what it uses.
add_library(famemely_mqtt STATIC ${objects})
set_target_properties(famemely_mqtt PROPERTIES LINKER_LANGUAGE CXX EXPORT_NAME archive
  ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
target_link_libraries(famemely_mqtt INTERFACE
  Threads::Threads OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB fmt::fmt spdlog::spdlog yaml-cpp)
target_include_directories(famemely_mqtt INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(famemely_mqtt INTERFACE cxx_std_20)
if(FAMEMELY_SANITIZE)
  target_link_options(famemely_mqtt INTERFACE -fsanitize=${FAMEMELY_SANITIZE})
endif()

add_library(famemely_mqtt_service INTERFACE)
add_library(famemely_gateway INTERFACE)
foreach(part mqtt_service gateway)
  target_link_libraries(famemely_${part} INTERFACE famemely_mqtt)
  set_target_properties(famemely_${part} PROPERTIES EXPORT_NAME ${part})
endforeach()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/famemely_mqtt)
install(TARGETS famemely-mqtt RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS famemely_mqtt famemely_mqtt_service famemely_gateway EXPORT famemely_mqtt_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT famemely_mqtt_targets NAMESPACE famemely:: DESTINATION ${package_folder})
foreach(header gateway log_line mqtt_message mqtt_service mqtt_service_asio mqtt_service_options)
  install(FILES ${PROJECT_SOURCE_DIR}/src/famemely/${header}.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/famemely)
endforeach()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/famemely_mqtt-config.cmake.in
  ${PROJECT_BINARY_DIR}/famemely_mqtt-config.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/famemely_mqtt-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/famemely_mqtt-config.cmake ${PROJECT_BINARY_DIR}/famemely_mqtt-config-version.cmake
  DESTINATION ${package_folder})
