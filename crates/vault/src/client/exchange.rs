//! One of our own requests from its first try to its last: paced, retried, one redirect followed.

use std::sync::Arc;

use http::header::{HOST, LOCATION};
use http::{Response, Uri};
use strongroom_core::address::{Address, Origin, Scheme};
use strongroom_core::settings::Redirects;

use super::answer::Answer;
use super::request::OwnRequest;
use super::{Client, host_header};
use crate::clock::Deadline;
use crate::error::{Error, is_retryable_status};
use crate::http::{Limits, Pool, ResponseBody, Stage, Target};
use crate::pace::{self, Request};

impl Client {
    /// One of our own requests with its retries.
    pub(super) async fn exchange(
        &self,
        own: &OwnRequest<'_>,
        retries: u32,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let deadline = deadline.min(self.clock.deadline_in(self.settings.timeout));
        let mut tries = 0;
        loop {
            if let Some(pace) = &self.pace
                && !pace.wait(deadline.after(self.clock.now())).await
            {
                return Err(Error::Deadline { waiting_for: Some(Stage::Pace) });
            }
            self.connector.progress().enter(Stage::Answer(own.describe(&self.settings.address)));
            let outcome = self.try_once(own, deadline).await;
            let error = match outcome {
                Ok(answer) if is_retryable_status(answer.status) => answer.refused(),
                Ok(answer) => return Ok(answer),
                Err(Error::Deadline { waiting_for }) => {
                    let asked = || Stage::Answer(own.describe(&self.settings.address));
                    return Err(Error::Deadline {
                        waiting_for: Some(waiting_for.unwrap_or_else(asked)),
                    });
                }
                Err(error) => error,
            };
            if !error.is_retryable() || tries >= retries || self.is_cut_off() {
                return Err(error);
            }
            let pause = pace::pause_after(&error, Request::Other, tries);
            if pause >= deadline.after(self.clock.now()) {
                return Err(error);
            }
            self.note_retry(&error);
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    /// Says that something is tried again, as what it waits for is a pause.
    pub(crate) fn note_retry(&self, error: &Error) {
        tracing::debug!(%error, "trying again");
        self.connector.progress().enter(Stage::Retry(error.to_string()));
    }

    async fn try_once(&self, own: &OwnRequest<'_>, deadline: Deadline) -> Result<Answer, Error> {
        let response = self.send(&mut own.build(&self.settings, &self.headers), deadline).await?;
        let response = match redirect_of(&response) {
            None => response,
            Some(location) => self.follow(own, location, deadline).await?,
        };
        let answer = Answer::collect(own, response).await?;
        if (300..400).contains(&answer.status) {
            return Err(Error::Redirect { request: own.name(), problem: "once more" });
        }
        Ok(answer)
    }

    /// One redirect, as Vault's clients do: a standby sends us to the active node.
    async fn follow(
        &self,
        own: &OwnRequest<'_>,
        location: Option<String>,
        deadline: Deadline,
    ) -> Result<Response<ResponseBody>, Error> {
        let refused = |problem| Error::Redirect { request: own.name(), problem };
        if self.settings.redirects == Redirects::Refuse {
            return Err(refused("and VAULT_DISABLE_REDIRECTS forbids to follow it"));
        }
        let location = location.ok_or_else(|| refused("to nowhere"))?;
        let uri: Uri = location.parse().map_err(|_| refused("to what is no address"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = own.build(&self.settings, &self.headers);
        request.uri = path.parse().map_err(|_| refused("to what is no address"))?;
        if uri.host().is_none() {
            return self.pool.send(&mut request, deadline).await;
        }
        let origin = Origin::parse(&location).map_err(|_| refused("to what is no address"))?;
        if self.settings.address.is_https() && origin.scheme == Scheme::Http {
            return Err(refused(
                "from https to http, which would show the token to everyone between",
            ));
        }
        let address = Address::Tcp(origin);
        request.headers.insert(HOST, host_header(&address));
        let target = Target { address, ..self.pool.target().clone() };
        let once = Pool::new(
            target,
            Arc::clone(&self.connector),
            self.clock.clone(),
            Arc::clone(&self.freeze),
            Limits::ONE_EXCHANGE,
        );
        once.send(&mut request, deadline).await
    }
}

fn redirect_of(response: &Response<ResponseBody>) -> Option<Option<String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 307) {
        return None;
    }
    Some(
        response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .map(str::to_owned),
    )
}
