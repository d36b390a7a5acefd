//! What the AWS side of an IAM login needs: credentials, signatures, the STS endpoint to sign for.
//!
//! No AWS SDK: the two calls made here are a page of code, and the SDK would outweigh the rest
//! of the layer. Nothing in this module opens a connection or reads the clock.

pub mod assume_role;
pub mod credentials;
pub mod login;
pub mod sigv4;
pub mod sts;
