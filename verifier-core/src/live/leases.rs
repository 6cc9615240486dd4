//! The leases service: what the collector leaves alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::{ChangeResource, Delete, Empty, Lease, LeaseResource, LeaseResources, Leases, Named};
use super::namespace::absent_is_none;
use super::{Code, LiveError, Namespace};

const CREATE: &str = "/containerd.services.leases.v1.Leases/Create";
const DELETE: &str = "/containerd.services.leases.v1.Leases/Delete";
const LIST: &str = "/containerd.services.leases.v1.Leases/List";
const ADD_RESOURCE: &str = "/containerd.services.leases.v1.Leases/AddResource";
const DELETE_RESOURCE: &str = "/containerd.services.leases.v1.Leases/DeleteResource";
const LIST_RESOURCES: &str = "/containerd.services.leases.v1.Leases/ListResources";

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// Its id.
    pub id: String,
    /// Its labels; `containerd.io/gc.expire` is when the collector forgets it.
    pub labels: BTreeMap<String, String>,
}

/// What a lease may hold: `content` with a digest, `snapshots/SNAPSHOTTER` with a key, `ingests` with a reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// The digest, key or reference.
    pub id: String,
    /// Its kind, in containerd's own words (core/metadata/leases.go).
    pub kind: String,
}

impl Resource {
    /// A blob.
    pub fn content(digest: &str) -> Resource {
        Resource { id: digest.to_owned(), kind: "content".to_owned() }
    }

    /// A snapshot.
    pub fn snapshot(snapshotter: &str, key: &str) -> Resource {
        Resource { id: key.to_owned(), kind: format!("snapshots/{snapshotter}") }
    }
}

impl Namespace<'_> {
    /// Makes a lease, and says whether it is new.
    pub fn create_lease(&self, id: &str, labels: &BTreeMap<String, String>) -> Result<bool, LiveError> {
        let request = Lease { id: id.to_owned(), labels: labels.clone() };
        // The answer holds the lease in field 1: nothing in it is of use.
        match self.ask::<_, Empty>(CREATE, request) {
            Ok(_) => Ok(true),
            Err(why) if why.code() == Some(Code::AlreadyExists) => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// Deletes a lease, and says whether there was one. `sync` waits for a collection.
    pub fn delete_lease(&self, id: &str, sync: bool) -> Result<bool, LiveError> {
        self.delete(DELETE, sync, Delete { name: id.to_owned(), sync })
    }

    /// All leases.
    pub fn leases(&self) -> Result<Vec<LeaseRow>, LiveError> {
        let answer: Leases = self.list(LIST, Empty {})?;
        Ok(answer.leases.into_iter().map(|lease| LeaseRow { id: lease.id, labels: lease.labels }).collect())
    }

    /// Adds to a lease what need not exist.
    pub fn add_to_lease(&self, id: &str, resource: &Resource) -> Result<(), LiveError> {
        self.ask::<_, Empty>(ADD_RESOURCE, change(id, resource)).map(drop)
    }

    /// Takes out of a lease what need not be in it; says whether there is such a lease.
    pub fn take_from_lease(&self, id: &str, resource: &Resource) -> Result<bool, LiveError> {
        self.delete(DELETE_RESOURCE, false, change(id, resource))
    }

    /// What a lease holds; none where there is no such lease.
    pub fn lease_resources(&self, id: &str) -> Result<Option<Vec<Resource>>, LiveError> {
        let answer = self.list::<_, LeaseResources>(LIST_RESOURCES, Named { name: id.to_owned() });
        let resource = |resource: LeaseResource| Resource { id: resource.id, kind: resource.kind };
        Ok(absent_is_none(answer)?.map(|answer| answer.resources.into_iter().map(resource).collect()))
    }
}

fn change(id: &str, resource: &Resource) -> ChangeResource {
    let resource = LeaseResource { id: resource.id.clone(), kind: resource.kind.clone() };
    ChangeResource { id: id.to_owned(), resource: Some(resource) }
}
