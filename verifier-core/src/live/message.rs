//! The messages of containerd's API that a repair needs, and of those the fields that it needs.
//!
//! Field numbers: containerd `api/services/*/v1/*.proto` and `api/types/descriptor.proto`, the same from 1.6 to 2.1. What is
//! not declared here is skipped on arrival, and no declared message is ever sent back with fields missing that containerd
//! would take for cleared: every update names its fields.

use std::collections::BTreeMap;

use prost::Message;

pub(super) type Labels = BTreeMap<String, String>;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Empty {}

/// google.protobuf.FieldMask.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FieldMask {
    #[prost(string, repeated, tag = "1")]
    pub(super) paths: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Version {
    #[prost(string, tag = "1")]
    pub(super) version: String,
    #[prost(string, tag = "2")]
    pub(super) revision: String,
}

/// A request with one text in field 1: most requests that name one thing.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Named {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Namespaces {
    #[prost(message, repeated, tag = "1")]
    pub(super) namespaces: Vec<Named>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Blob {
    #[prost(string, tag = "1")]
    pub(super) digest: String,
    #[prost(int64, tag = "2")]
    pub(super) size: i64,
    #[prost(btree_map = "string, string", tag = "5")]
    pub(super) labels: Labels,
}

/// InfoResponse.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OneBlob {
    #[prost(message, optional, tag = "1")]
    pub(super) info: Option<Blob>,
}

/// content UpdateRequest.
#[derive(Clone, PartialEq, Message)]
pub(super) struct UpdateBlob {
    #[prost(message, optional, tag = "1")]
    pub(super) info: Option<Blob>,
    #[prost(message, optional, tag = "2")]
    pub(super) update_mask: Option<FieldMask>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Blobs {
    #[prost(message, repeated, tag = "1")]
    pub(super) info: Vec<Blob>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Descriptor {
    #[prost(string, tag = "1")]
    pub(super) media_type: String,
    #[prost(string, tag = "2")]
    pub(super) digest: String,
    #[prost(int64, tag = "3")]
    pub(super) size: i64,
    #[prost(btree_map = "string, string", tag = "5")]
    pub(super) annotations: Labels,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Image {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub(super) labels: Labels,
    #[prost(message, optional, tag = "3")]
    pub(super) target: Option<Descriptor>,
}

/// GetImageResponse, CreateImageRequest and its response, UpdateImageResponse; UpdateImageRequest with its mask.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OneImage {
    #[prost(message, optional, tag = "1")]
    pub(super) image: Option<Image>,
    #[prost(message, optional, tag = "2")]
    pub(super) update_mask: Option<FieldMask>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Images {
    #[prost(message, repeated, tag = "1")]
    pub(super) images: Vec<Image>,
}

/// DeleteImageRequest, and leases' DeleteRequest.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Delete {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bool, tag = "2")]
    pub(super) sync: bool,
}

/// StatSnapshotRequest, RemoveSnapshotRequest, PrepareSnapshotRequest.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SnapshotRequest {
    #[prost(string, tag = "1")]
    pub(super) snapshotter: String,
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(string, tag = "3")]
    pub(super) parent: String,
    #[prost(btree_map = "string, string", tag = "4")]
    pub(super) labels: Labels,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Snapshot {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) parent: String,
    /// 1 view, 2 active, 3 committed.
    #[prost(int32, tag = "3")]
    pub(super) kind: i32,
    #[prost(btree_map = "string, string", tag = "6")]
    pub(super) labels: Labels,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OneSnapshot {
    #[prost(message, optional, tag = "1")]
    pub(super) info: Option<Snapshot>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Snapshots {
    #[prost(message, repeated, tag = "1")]
    pub(super) info: Vec<Snapshot>,
}

/// A lease, and leases' CreateRequest.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Lease {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(super) labels: Labels,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Leases {
    #[prost(message, repeated, tag = "1")]
    pub(super) leases: Vec<Lease>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LeaseResource {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) kind: String,
}

/// AddResourceRequest and DeleteResourceRequest.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ChangeResource {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(message, optional, tag = "2")]
    pub(super) resource: Option<LeaseResource>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LeaseResources {
    #[prost(message, repeated, tag = "1")]
    pub(super) resources: Vec<LeaseResource>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Container {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "3")]
    pub(super) image: String,
    #[prost(string, tag = "6")]
    pub(super) snapshotter: String,
    #[prost(string, tag = "7")]
    pub(super) snapshot_key: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Containers {
    #[prost(message, repeated, tag = "1")]
    pub(super) containers: Vec<Container>,
}
