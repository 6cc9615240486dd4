//! What parents that a layer does not mention have from the layers below (`mkparent`, pkg/archive/tar.go).
//!
//! It is told by those layers, whose bytes this run has hashed, and never by their trees on disk: a tree may be damaged, and
//! what is wrong below must neither accuse what is right above nor be copied there.
//!
//! containerds that unpack layers side by side (2.2 and later, if told to) give such folders nothing: they are 0755, of user and
//! group 0, without attributes. A layer that is unpacked later, one by one, on such a tree takes over what it has. So there is what
//! a folder should have, and, for each layer that may have been unpacked without those below it, what it has then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::layer::tree::{Attribute, Folders, Inherits, Inode, NodeId, Tree, root_path};

/// What the layers below make, one after the other.
pub trait LowerLayers {
    /// Each in turn, the nearest first; `None` for one that cannot be had, or whose bytes are not the right ones.
    fn nearest_first(&self) -> Box<dyn Iterator<Item = Option<Arc<Folders>>> + '_>;
}

impl LowerLayers for &[Arc<Folders>] {
    fn nearest_first(&self) -> Box<dyn Iterator<Item = Option<Arc<Folders>>> + '_> {
        Box::new(self.iter().cloned().map(Some))
    }
}

impl<const N: usize> LowerLayers for [Arc<Folders>; N] {
    fn nearest_first(&self) -> Box<dyn Iterator<Item = Option<Arc<Folders>>> + '_> {
        Box::new(self.iter().cloned().map(Some))
    }
}

/// The attributes that a folder has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    /// `None`: that of the folder it is in, or 0.
    pub(crate) gid: Option<u32>,
    /// By name.
    pub(crate) attributes: Vec<Attribute>,
}

/// What a folder has with what the lower layers tell.
#[derive(Debug, Clone)]
pub(crate) enum Lower {
    /// All is known.
    Known {
        /// What it should have.
        whole: Facts,
        /// What it has if a layer was unpacked without those below.
        bare: Vec<Facts>,
    },
    /// A lower layer is missing, damaged, or cannot be asked.
    Unknown,
}

/// What the lower layers tell of a model's folders.
#[derive(Debug, Default)]
pub(crate) struct Inheritance {
    folders: HashMap<NodeId, Lower>,
    /// Of folders in which something was made whose group no entry tells: what they had when no entry had made them.
    implied: HashMap<NodeId, Lower>,
}

impl Inheritance {
    /// Asks `lowers` for all that the layers of `model` do not tell.
    pub(crate) fn of(model: &Tree, lowers: &dyn LowerLayers) -> Inheritance {
        let mut questions = Vec::new();
        let mut hands_on = HashSet::new();
        for (node, inode) in model.all() {
            if inode.inherits().is_any() {
                questions.push((node, false, Question::of(model, node, inode)));
            }
            let mut folder = model.folder_of(node);
            while inode.is_group_unknown() && folder != NodeId::ROOT && hands_on.insert(folder) {
                questions.push((folder, true, Question::implied(model.path(folder))));
                folder = model.folder_of(folder);
            }
        }
        let mut layers = lowers.nearest_first();
        while questions.iter().any(|(_, _, question)| question.is_open())
            && let Some(layer) = layers.next()
        {
            for (_, _, question) in &mut questions {
                question.ask(layer.as_deref());
            }
        }
        let mut inheritance = Inheritance::default();
        for (node, is_implied, question) in questions {
            let answers = if is_implied { &mut inheritance.implied } else { &mut inheritance.folders };
            answers.insert(node, question.answer());
        }
        inheritance
    }

    /// What a folder that has something from below is to have; `None` for all others.
    pub(crate) fn get(&self, node: NodeId) -> Option<&Lower> {
        self.folders.get(&node)
    }

    /// What a folder had when no entry had made it.
    pub(crate) fn implied(&self, node: NodeId) -> Option<&Lower> {
        self.implied.get(&node)
    }
}

/// A folder, while the layers are asked.
struct Question {
    /// Where it is in the layer that is asked next.
    path: Vec<u8>,
    facts: Facts,
    /// What is still to be told.
    inherits: Inherits,
    bare: Vec<Facts>,
    failed: bool,
}

impl Question {
    fn of(model: &Tree, node: NodeId, inode: &Inode) -> Question {
        let facts = Facts {
            mode: inode.mode(),
            uid: inode.uid(),
            gid: (!inode.is_group_unknown()).then_some(inode.gid()),
            attributes: model.attributes(inode).to_vec(),
        };
        let (path, inherits) = (model.path(node), inode.inherits());
        Question { path, facts, inherits, bare: Vec::new(), failed: false }
    }

    fn implied(path: Vec<u8>) -> Question {
        let facts = Facts { mode: 0o755, uid: 0, gid: Some(0), attributes: Vec::new() };
        Question { path, facts, inherits: Inherits::ALL, bare: Vec::new(), failed: false }
    }

    fn is_open(&self) -> bool {
        !self.failed && self.inherits.is_any()
    }

    fn ask(&mut self, layer: Option<&Folders>) {
        if !self.is_open() {
            return;
        }
        let Some((layer, resolved)) =
            layer.and_then(|layer| Some((layer, root_path(layer, &self.path).ok()?)))
        else {
            self.failed = true;
            return;
        };
        match layer.folder(&resolved) {
            Ok(None) => {}
            // containerd looks no further.
            Err(_) => self.inherits = Inherits::default(),
            Ok(Some(below)) => {
                self.bare.push(self.facts.clone());
                if self.inherits.mode {
                    self.facts.mode = below.mode;
                }
                if self.inherits.uid {
                    self.facts.uid = below.uid;
                }
                if self.inherits.gid {
                    self.facts.gid = below.gid;
                }
                if self.inherits.attributes {
                    let own = self.facts.attributes.len();
                    for (name, value) in below.attributes.iter() {
                        if !self.facts.attributes.iter().take(own).any(|(other, _)| other == name) {
                            self.facts.attributes.push((name.clone(), value.clone()));
                        }
                    }
                }
                self.inherits = self.inherits.and(below.inherits);
                self.path = resolved;
            }
        }
    }

    fn answer(mut self) -> Lower {
        if self.failed {
            return Lower::Unknown;
        }
        self.facts.attributes.sort_unstable();
        for bare in &mut self.bare {
            bare.attributes.sort_unstable();
        }
        self.bare.retain(|bare| *bare != self.facts);
        self.bare.dedup();
        Lower::Known { whole: self.facts, bare: self.bare }
    }
}
