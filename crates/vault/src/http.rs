//! HTTP/1.1 to Vault: connections, a small pool, deadlines, and what a freeze does to them.
//!
//! hyper's `client::conn` with a pool of our own: the ready-made client is 132 KB and 23 crates
//! more, takes 10 to 25 % more CPU, and cannot be emptied after a freeze.
//! HTTP/2 would cost 328 KB and 45 % more CPU per request.

mod body;
mod connect;
mod freeze;
mod pool;
mod service;
mod stage;

pub use body::{CollectError, Outgoing, RequestBody, ResponseBody};
pub use connect::{Connector, ForwardProxy, Target};
pub use freeze::Freeze;
pub use pool::{Limits, Pool};
pub use stage::{Progress, Stage};
