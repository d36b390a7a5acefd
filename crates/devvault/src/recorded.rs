//! What reached the server, without anything secret.

/// One request that was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// Whose token it carried.
    pub caller: Caller,
    /// The method as sent.
    pub method: String,
    /// The path as sent, `/v1/` included, without the query.
    pub path: String,
    /// The HTTP status of the answer.
    pub status: u16,
}

/// Whose token a request carried, as it was when the request arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Caller {
    /// A token that is unknown, expired, revoked or used up.
    DeadToken,
    /// No token, or a request that could not be read.
    Nobody,
    /// The root token that the server was started with.
    Root,
    /// Any other living token.
    Token {
        /// Empty for a batch token, which has none.
        accessor: String,
        /// `<mount>-<role>/<session>` after a login, `token` for one that was created.
        display_name: String,
    },
}
