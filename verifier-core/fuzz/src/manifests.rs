//! Any bytes as indexes, manifests and configs: alone, and as the blobs of a store that refer to each other as they like.
//! The input is cut at each byte 0 into the blobs 0, 1, 2, …; blob N has the digest `sha256:` and 64 times the digit N.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use verifier_core::digest::{Digest, chain_ids};
use verifier_core::io::{Folder, Gate};
use verifier_core::metadata::{ImageRecord, Metadata, Namespace, Target};
use verifier_core::oci::{Document, DocumentKind, parse};
use verifier_core::scan::Documents;

const BLOBS: usize = 6;

fn digest(number: usize) -> Digest {
    format!("sha256:{}", number.to_string().repeat(64)).parse().unwrap()
}

/// A store's root with nothing in it but the folder of blobs.
fn root() -> &'static PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
                let root = std::env::temp_dir().join(format!("fuzz-manifests-{}", std::process::id()));
        fs::create_dir_all(root.join("io.containerd.content.v1.content/blobs/sha256")).unwrap();
        root
    })
}

/// Image records that point to blob 0, as each kind of document.
fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        let mut namespace = Namespace::default();
        for (name, media_type) in [
            ("index", "application/vnd.oci.image.index.v1+json"),
            ("manifest", "application/vnd.docker.distribution.manifest.v2+json"),
        ] {
            let target =
                Target { digest: Some(digest(0)), media_type: media_type.into(), size_bytes: Some(1) };
            namespace.images.insert(name.into(), ImageRecord { target, ..ImageRecord::default() });
        }
        let mut metadata = Metadata::default();
        metadata.namespaces.insert("default".into(), namespace);
        metadata
    })
}

fn look(kind: DocumentKind, bytes: &[u8]) {
    match parse(kind, bytes) {
        Ok(Document::Config(config)) => {
            assert_eq!(kind, DocumentKind::Config);
            let chain = chain_ids(config.diff_ids());
            assert_eq!(chain.len(), config.diff_ids().len());
            assert!(chain.first().is_none_or(|first| first.0 == config.diff_ids()[0].0));
        }
        Ok(Document::Index(index)) => index.manifests.iter().for_each(|child| same(&child.digest)),
        Ok(Document::Manifest(manifest)) => manifest.layers.iter().for_each(|child| same(&child.digest)),
        Err(_) => {}
    }
}

/// A digest that was taken is one in its own words, too.
fn same(digest: &Digest) {
    assert_eq!(digest.to_string().parse::<Digest>().as_ref(), Ok(digest));
}

fuzz_target!(|input: &[u8]| {
    for kind in [DocumentKind::Index, DocumentKind::Manifest, DocumentKind::Config] {
        look(kind, input);
    }
    let blobs: Vec<&[u8]> = input.split(|byte| *byte == 0).take(BLOBS).collect();
    let folder = root().join("io.containerd.content.v1.content/blobs/sha256");
    for number in 0..BLOBS {
        let path = folder.join(digest(number).encoded());
        match blobs.get(number) {
            Some(bytes) => fs::write(path, bytes).unwrap(),
            None => drop(fs::remove_file(path)),
        }
    }
    let documents = Documents::read(&Folder::open_root(root(), Gate::default()).unwrap(), metadata(), &|| false);
    for (chain_id, layer) in &documents.chains {
        assert!(!layer.blobs.is_empty());
        assert!(layer.parent.as_ref().is_none_or(|parent| documents.chains.contains_key(parent)), "{chain_id}");
    }
    assert!(documents.tops.keys().all(|manifest| documents.config(manifest).is_some()));
});
