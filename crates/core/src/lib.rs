//! Settings, durations, leases and formats of Strongroom: pure, no I/O, no async, no clock.
