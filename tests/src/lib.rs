//! What the end-to-end tests share: the real parts they run Strongroom against.

pub mod beds;
pub mod stage;
