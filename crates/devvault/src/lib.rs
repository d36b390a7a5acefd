//! An in-memory Vault for development, with the STS and IAM calls that AWS auth makes.
