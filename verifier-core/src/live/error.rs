//! What goes wrong when containerd is asked.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a call to containerd, or a repair made of calls, did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The socket cannot be connected to.
    #[error("{socket}: {source}")]
    Connect {
        /// The socket's path.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No answer in time. What was asked for may have been done all the same.
    #[error("{method}: no answer within {limit:?}")]
    Timeout {
        /// The gRPC method, `/package.Service/Method`; `connect` before there is any.
        method: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// containerd answered with an error.
    #[error("{method}: {code}: {message}")]
    Refused {
        /// The gRPC method.
        method: &'static str,
        /// The kind of error.
        code: Code,
        /// containerd's own words, not to be trusted to be printable.
        message: String,
    },
    /// A list has more bytes than any containerd's would.
    #[error("{method}: the answer has more than {limit_bytes} bytes")]
    TooLarge {
        /// The gRPC method.
        method: &'static str,
        /// Bytes that would have been taken.
        limit_bytes: usize,
    },
    /// No name that a namespace can have.
    #[error("{0:?} cannot be a namespace's name")]
    Namespace(String),
    /// The caller's journal could not take what was about to be done, so it was not done.
    #[error("journal: {0}")]
    Journal(#[source] io::Error),
}

impl LiveError {
    /// The code that containerd answered with, if it did.
    pub fn code(&self) -> Option<Code> {
        match self {
            LiveError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether containerd says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    pub(super) fn from_status(method: &'static str, status: &tonic::Status) -> LiveError {
        LiveError::Refused { method, code: Code::from(status.code()), message: status.message().to_owned() }
    }
}

/// A gRPC status that is no success; grpc's `doc/statuscodes.md` numbers them, containerd's `errdefs` chooses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// 3: such a request makes no sense.
    InvalidArgument,
    /// 4: the server gave up in time.
    DeadlineExceeded,
    /// 5: there is no such thing.
    NotFound,
    /// 6: there is one already.
    AlreadyExists,
    /// 7: not for this caller.
    PermissionDenied,
    /// 8: too large or too many.
    ResourceExhausted,
    /// 9: not in this state, as a snapshot that has a child.
    FailedPrecondition,
    /// 12: this containerd, or this plugin of it, does not know the method.
    Unimplemented,
    /// 14: nobody answers (any more).
    Unavailable,
    /// Any other.
    Other(i32),
}

impl From<tonic::Code> for Code {
    fn from(code: tonic::Code) -> Code {
        match code {
            tonic::Code::InvalidArgument => Code::InvalidArgument,
            tonic::Code::DeadlineExceeded => Code::DeadlineExceeded,
            tonic::Code::NotFound => Code::NotFound,
            tonic::Code::AlreadyExists => Code::AlreadyExists,
            tonic::Code::PermissionDenied => Code::PermissionDenied,
            tonic::Code::ResourceExhausted => Code::ResourceExhausted,
            tonic::Code::FailedPrecondition => Code::FailedPrecondition,
            tonic::Code::Unimplemented => Code::Unimplemented,
            tonic::Code::Unavailable => Code::Unavailable,
            other => Code::Other(other.into()),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Other(number) => write!(f, "gRPC status {number}"),
            known => write!(f, "{known:?}"),
        }
    }
}
