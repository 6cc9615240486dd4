//! The connection, and what it asks without or across namespaces.

use std::path::Path;
use std::time::Duration;

use super::message::{Empty, Named, Namespaces};
use super::transport::{Call, Transport};
use super::{LiveError, Namespace};

/// How long each kind of call may take.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// To connect: 10 s unless set.
    pub connect: Duration,
    /// To answer about one thing, or change it: 30 s unless set. A change waits while a collection runs.
    pub call: Duration,
    /// To list all of a kind: 5 minutes unless set.
    pub list: Duration,
    /// To collect, which deletes files and folders: 30 minutes unless set.
    pub collect: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let seconds = Duration::from_secs;
        Limits { connect: seconds(10), call: seconds(30), list: seconds(300), collect: seconds(1800) }
    }
}

impl Limits {
    /// The same limit for everything, connecting included.
    #[must_use]
    pub fn all(limit: Duration) -> Limits {
        Limits { connect: limit, call: limit, list: limit, collect: limit }
    }
}

/// A running containerd, by its socket.
///
/// Calls block, and must not be made from within an asynchronous runtime. Each ends within its [`Limits`], whatever the
/// other side does. A connection that was lost is made again for the next call; no call is made twice.
#[derive(Debug)]
pub struct Live {
    transport: Transport,
    limits: Limits,
}

/// What containerd says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As built, `1.6.20~ds1`, `v2.1.9`; not always a clean number.
    pub version: String,
    /// The commit, where the build names it.
    pub revision: String,
}

impl Live {
    /// Connects and asks for the version, so that what is returned is a containerd.
    pub fn connect(socket: &Path) -> Result<Live, LiveError> {
        Live::connect_with(socket, Limits::default())
    }

    /// [`Live::connect`] with limits.
    pub fn connect_with(socket: &Path, limits: Limits) -> Result<Live, LiveError> {
        let live = Live { transport: Transport::connect(socket, &limits)?, limits };
        let call = Call { limit: limits.connect.min(limits.call), ..live.plain(VERSION) };
        live.transport.unary::<_, super::message::Version>(call, Empty {})?;
        Ok(live)
    }

    /// containerd's version.
    pub fn version(&self) -> Result<Version, LiveError> {
        let answer: super::message::Version = self.transport.unary(self.plain(VERSION), Empty {})?;
        Ok(Version { version: answer.version, revision: answer.revision })
    }

    /// The names of all namespaces.
    pub fn namespaces(&self) -> Result<Vec<String>, LiveError> {
        let call = Call {
            limit: self.limits.list,
            ..self.plain("/containerd.services.namespaces.v1.Namespaces/List")
        };
        let answer: Namespaces = self.transport.unary(call, Named::default())?;
        Ok(answer.namespaces.into_iter().map(|namespace| namespace.name).collect())
    }

    /// All that is in one namespace, which need not exist.
    pub fn namespace(&self, name: &str) -> Namespace<'_> {
        Namespace { live: self, name: name.to_owned() }
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn plain(&self, method: &'static str) -> Call<'static> {
        Call { method, namespace: None, lease: None, limit: self.limits.call }
    }
}

const VERSION: &str = "/containerd.services.version.v1.Version/Version";
