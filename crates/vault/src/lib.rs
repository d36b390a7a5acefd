//! A Vault client for AWS IAM authentication; knows nothing of Lambda.
