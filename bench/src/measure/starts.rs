//! Starts: of the extension, and of the function's program by the exec wrapper.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Figure, Files, SETTLE, Samples, add, median, milliseconds};
use crate::extension::{Extension, Mode};
use crate::program;
use crate::server::{PASSWORD, PASSWORD_REFERENCE, Server};

/// The extension's start in each way.
pub(super) fn measure(binary: &Path, server: &Server, samples: &mut Samples) -> Result<()> {
    let (extension, ready) = Extension::start(binary, server, Mode::File)?;
    let cpu = extension.cpu()?;
    add(samples, Figure::Init, milliseconds(ready - extension.started));
    add(samples, Figure::CpuInInit, milliseconds(cpu));
    std::thread::sleep(SETTLE);
    let (rss, anonymous) = extension.memory()?;
    add(samples, Figure::RssAfterInit, rss as f64);
    add(samples, Figure::AnonymousAfterInit, anonymous as f64);
    add(samples, Figure::ShutdownRevoked, milliseconds(extension.shut_down()?));

    let (extension, _) = Extension::start(binary, server, Mode::Proxy)?;
    add(samples, Figure::Register, milliseconds(extension.registered - extension.started));
    extension.shut_down()?;

    let (extension, ready) = Extension::start(binary, server, Mode::FileAndVariables)?;
    let registered = extension.registered - extension.started;
    add(samples, Figure::RegisterWithVariables, milliseconds(registered));
    add(samples, Figure::InitWithVariables, milliseconds(ready - extension.started));
    std::thread::sleep(SETTLE);
    add(samples, Figure::RssAfterInitWithVariables, extension.memory()?.0 as f64);
    extension.shut_down()?;
    Ok(())
}

/// The program's start: as soon as the extension has registered, as in a cold start; when the
/// extension holds what the wrapper asks for; and without any wrapper, which is the floor.
pub(super) fn measure_variables(
    files: &Files,
    server: &Server,
    samples: &mut Samples,
) -> Result<()> {
    let extension = Extension::register(&files.extension, server, Mode::Variable)?;
    let wrapped = || {
        let wrapper = Some(files.exec_wrapper.as_path());
        program::start(&files.program, wrapper, &extension.environment, PASSWORD)
    };
    let alone = || program::start(&files.program, None, &extension.environment, PASSWORD_REFERENCE);
    // From the registration, not from the spawn: what passes between them is time in which the
    // extension does what the wrapper would otherwise be seen to wait for.
    let cold = extension.registered.elapsed() + wrapped()?;
    extension.ready()?;
    let (mut held, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..PROGRAMS {
        floor.push(alone()?);
        held.push(wrapped()?);
    }
    let (held, floor) = (median(held), median(floor));
    let over_floor = |time: Duration| milliseconds(time) - milliseconds(floor);
    add(samples, Figure::ProgramAlone, milliseconds(floor));
    add(samples, Figure::ProgramHeld, milliseconds(held));
    add(samples, Figure::ProgramHeldAdded, over_floor(held));
    add(samples, Figure::ProgramCold, milliseconds(cold));
    add(samples, Figure::ProgramColdAdded, over_floor(cold));
    extension.shut_down()?;
    Ok(())
}

/// Of whose times the median is one sample.
const PROGRAMS: usize = 11;
