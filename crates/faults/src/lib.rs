//! A TCP proxy that misbehaves on request, to stand before an HTTP server in tests.
