// The one translation unit that compiles Asio and Beast; everybody else only declares them (separate compilation).
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
