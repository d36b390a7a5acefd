//! Wire types of the AWS Lambda Extensions and Runtime APIs; neither client nor server.
//!
//! Both the extension and the local host use them, so recorded payloads of AWS's own
//! emulator pin them: otherwise the two would agree by being wrong together.

pub mod extensions;
pub mod initialization;
pub mod runtime;
