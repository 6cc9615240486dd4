//! Whom a damage reaches.

use std::collections::BTreeSet;

use crate::builder::Sample;

/// Whom a damage reaches, by the sample's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    namespaces: &'static [&'static str],
    images: &'static [&'static str],
    containers: &'static [(&'static str, &'static str)],
}

const WEB: (&str, &str) = ("default", Sample::WEB);
const WORK: (&str, &str) = ("k8s.io", Sample::WORK);

impl Reach {
    /// Nobody in particular.
    pub const NOBODY: Reach = Reach::new(&[], &[], &[]);
    /// Something in `default` that no image needs.
    pub const DEFAULT: Reach = Reach::new(&["default"], &[], &[]);
    /// Something in `k8s.io` that no image needs.
    pub const K8S: Reach = Reach::new(&["k8s.io"], &[], &[]);
    /// What all images share.
    pub const BASE: Reach =
        Reach::new(&["default", "k8s.io"], &[Sample::APP, Sample::EXTRA, Sample::TOOL], &[WEB, WORK]);
    /// What the images of `default` share: the base's snapshot.
    pub const BASE_IN_DEFAULT: Reach = Reach::new(&["default"], &[Sample::APP, Sample::EXTRA], &[WEB]);
    /// The image on which `web` runs.
    pub const APP: Reach = Reach::new(&["default"], &[Sample::APP], &[WEB]);
    /// The same image, where its container does not need what is damaged.
    pub const APP_ALONE: Reach = Reach::new(&["default"], &[Sample::APP], &[]);
    /// The image that shares the base.
    pub const EXTRA: Reach = Reach::new(&["default"], &[Sample::EXTRA], &[]);
    /// The images that native unpacked layers of, and no container.
    pub const NATIVE: Reach = Reach::new(&["default"], &[Sample::APP, Sample::EXTRA], &[]);
    /// All images, and no container.
    pub const IMAGES: Reach =
        Reach::new(&["default", "k8s.io"], &[Sample::APP, Sample::EXTRA, Sample::TOOL], &[]);
    /// The image of `k8s.io`.
    pub const TOOL: Reach = Reach::new(&["k8s.io"], &[Sample::TOOL], &[WORK]);
    /// A container, and no image.
    pub const WEB: Reach = Reach::new(&["default"], &[], &[WEB]);
    /// A container of `k8s.io`, and no image.
    pub const WORK: Reach = Reach::new(&["k8s.io"], &[], &[WORK]);
    /// The image that a damage brought along.
    pub const ODD: Reach = Reach::new(&["default"], &[Reach::ODD_NAME], &[]);
    /// The name of the image that a damage brings along, in `default`.
    pub const ODD_NAME: &str = "registry.example/odd:1";

    const fn new(
        namespaces: &'static [&'static str],
        images: &'static [&'static str],
        containers: &'static [(&'static str, &'static str)],
    ) -> Reach {
        Reach { namespaces, images, containers }
    }

    /// The namespaces.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<String> {
        self.namespaces.iter().map(|&name| name.into()).collect()
    }

    /// The images, by namespace and name; all the names of each.
    #[must_use]
    pub fn images(&self, sample: &Sample) -> BTreeSet<(String, String)> {
        let mut names = BTreeSet::new();
        for (namespace, records) in &sample.store.namespaces {
            let targets: Vec<&str> = self
                .images
                .iter()
                .filter_map(|&name| Some(records.images.get(name)?.digest.as_str()))
                .collect();
            let same = records.images.iter().filter(|(_, image)| targets.contains(&image.digest.as_str()));
            names.extend(same.map(|(name, _)| (namespace.clone(), name.clone())));
        }
        names
    }

    /// The containers, by namespace and id.
    #[must_use]
    pub fn containers(&self) -> BTreeSet<(String, String)> {
        self.containers.iter().map(|&(namespace, id)| (namespace.into(), id.into())).collect()
    }
}
