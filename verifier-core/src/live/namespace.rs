//! One namespace: what all of its services share.

use prost::Message;

use super::transport::Call;
use super::{Live, LiveError};

/// One namespace of a running containerd. Its methods are grouped by service: content, images, snapshots, leases, containers.
#[derive(Debug, Clone)]
pub struct Namespace<'l> {
    pub(super) live: &'l Live,
    pub(super) name: String,
}

impl Namespace<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, method: &'static str) -> Call<'_> {
        Call { method, namespace: Some(&self.name), lease: None, limit: self.live.limits().call }
    }

    /// Asks for, or changes, one thing.
    pub(super) fn ask<Q, A>(&self, method: &'static str, request: Q) -> Result<A, LiveError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.live.transport().unary(self.call(method), request)
    }

    /// [`Namespace::ask`] with what is made belonging to a lease of this namespace.
    pub(super) fn ask_leased<Q, A>(
        &self,
        method: &'static str,
        lease: &str,
        request: Q,
    ) -> Result<A, LiveError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.live.transport().unary(Call { lease: Some(lease), ..self.call(method) }, request)
    }

    /// A list that comes as one message.
    pub(super) fn list<Q, A>(&self, method: &'static str, request: Q) -> Result<A, LiveError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let call = Call { limit: self.live.limits().list, ..self.call(method) };
        self.live.transport().unary(call, request)
    }

    /// A list that comes in messages of up to 100.
    pub(super) fn stream<Q, A>(
        &self,
        method: &'static str,
        request: Q,
        take: impl FnMut(A),
    ) -> Result<(), LiveError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let call = Call { limit: self.live.limits().list, ..self.call(method) };
        self.live.transport().list(call, request, take)
    }

    /// Deletes by name and says whether there was such a thing. `sync` waits for the collection that follows.
    pub(super) fn delete<Q: Message + 'static>(
        &self,
        method: &'static str,
        sync: bool,
        request: Q,
    ) -> Result<bool, LiveError> {
        let limit = if sync { self.live.limits().collect } else { self.live.limits().call };
        let call = Call { limit, ..self.call(method) };
        let answer = self.live.transport().unary::<Q, super::message::Empty>(call, request);
        Ok(absent_is_none(answer)?.is_some())
    }
}

/// None where containerd says that there is no such thing.
pub(super) fn absent_is_none<T>(answer: Result<T, LiveError>) -> Result<Option<T>, LiveError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(why) if why.is_not_found() => Ok(None),
        Err(why) => Err(why),
    }
}
