//! A local Lambda: Runtime and Extensions APIs, layers, processes, freeze, time-outs.
