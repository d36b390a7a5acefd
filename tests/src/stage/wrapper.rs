//! Functions that are started by the exec wrapper.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use strongroom_host::{Config, Layer, Runtime};

use super::practice::Practice;
use super::{Stage, install};
use crate::beds;

impl Stage {
    /// Puts the wrapper into the layer.
    ///
    /// # Panics
    /// If a file cannot be written.
    pub fn add_wrapper(&self) {
        add_wrapper(&self.config);
    }

    /// Puts the wrapper into the layer, and has `provided` run a bootstrap that starts the function by it.
    ///
    /// # Panics
    /// If a file cannot be written.
    pub fn start_by_wrapper(&mut self) {
        start_by_wrapper(&self.config);
    }

    /// Puts the wrapper into the layer, and has a runtime that Lambda brings start the function by it.
    ///
    /// # Panics
    /// If a file cannot be written.
    pub fn start_by_managed_runtime(&mut self) {
        add_wrapper(&self.config);
        let language = self.config.function.code.join("lang");
        fs::create_dir_all(language.join("bin")).expect("a directory of the runtime");
        install(&self.config.function.code.join("bootstrap"), &language.join("bin/function"));
        self.config.function.runtime = Runtime::Managed {
            command: vec!["/var/lang/bin/function".to_owned()],
            language,
            name: "function1.x".to_owned(),
        };
        self.set("AWS_LAMBDA_EXEC_WRAPPER", "/opt/strongroom/exec");
    }
}

impl Practice {
    /// As [`Stage::start_by_wrapper`].
    ///
    /// # Panics
    /// If a file cannot be written.
    pub fn start_by_wrapper(&mut self) {
        start_by_wrapper(&self.config);
    }
}

fn start_by_wrapper(config: &Config) {
    add_wrapper(config);
    let code = &config.function.code;
    fs::rename(code.join("bootstrap"), code.join("app")).expect("the function can be renamed");
    let mut bootstrap = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(code.join("bootstrap"))
        .expect("a file of the function");
    bootstrap
        .write_all(b"#!/bin/sh\nexec /opt/strongroom/exec ./app\n")
        .expect("a bootstrap can be written");
}

fn add_wrapper(config: &Config) {
    let layer = layer(config).join("strongroom");
    fs::create_dir(&layer).expect("a directory of the layer");
    install(&beds::exec(), &layer.join("exec"));
}

/// The directory that becomes `/opt`.
fn layer(config: &Config) -> PathBuf {
    match &config.layers[0] {
        Layer::Directory(directory) => directory.clone(),
        Layer::Zip(_) => unreachable!("the layer of the tests is a directory"),
    }
}
