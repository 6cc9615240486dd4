//! What no page of the tree leads to any more, and still decodes.
//!
//! Below a page that is damaged, all pages are still there, without a way to them. So are the pages of former states, until
//! a transaction reuses them. A synced freelist tells the two apart: it lists the free pages, so that what is neither reached
//! nor listed is lost. Without a synced list nothing tells.

use super::fault::Faults;
use super::load::Pages;
use super::page::{BRANCH, BUCKET, HEADER_BYTES, Header, LEAF, Node, u64_at};
use super::page_set::PageSet;
use super::tree::Tree;
use super::walk::walk_pages;
use super::{Database, Pgid, Visitor, Walk};

/// What is handed on of a salvage: as in a walk, but the paths begin at the stray page, not at the root bucket.
pub trait Salvager: Visitor {
    /// A page to which no other stray page of its standing leads: what follows is in it and below it.
    fn stray(&mut self, stray: &Stray) {
        let _ = stray;
    }
}

/// Only counts.
impl Salvager for () {}

/// A page that no page of the tree leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stray {
    /// Its number.
    pub pgid: Pgid,
    /// Whether it belongs to the current state.
    pub standing: Standing,
}

impl Stray {
    pub(crate) fn new(pgid: Pgid, standing: Standing) -> Self {
        Self { pgid, standing }
    }
}

/// Whether a stray page belongs to the current state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Not on the freelist: with damage above it, it was in use. (With a tree that is whole, it is merely forgotten space.)
    Lost,
    /// The freelist does not tell: there is none in the file, or it cannot be read.
    Unknown,
    /// On the freelist: of a former state.
    Stale,
}

/// The outcome of a salvage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// What was found on lost pages.
    pub lost: Found,
    /// What was found on pages of unknown standing.
    pub unknown: Found,
    /// What was found on stale pages.
    pub stale: Found,
    /// Whether the visitor ended it.
    pub interrupted: bool,
}

/// What was found on stray pages of one standing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Pages that could be read, overflow pages included.
    pub pages: u64,
    /// Buckets in them.
    pub buckets: u64,
    /// Keys in them, those of buckets not counted.
    pub keys: u64,
}

pub(super) fn salvage(db: &Database<'_>, salvager: &mut dyn Salvager) -> Salvaged {
    let (walk, mut pages) = walk_pages(db, &mut ());
    let strays = Strays::find(&mut pages, walk.freelist_read);
    // Each stray page that was listed would be a fault.
    pages.listed = PageSet::new(0);
    let mut out = Salvaged::default();
    for standing in [Standing::Lost, Standing::Unknown, Standing::Stale] {
        let mut found = Walk::default();
        // First those that others lead from; then what is left of circles, and of pages below ones that do not decode.
        for roots_only in [true, false] {
            for pgid in (2..pages.readable).filter(|pgid| strays.is_of(*pgid, standing)) {
                if roots_only && strays.led_to.contains(pgid) || pages.claimed.contains(pgid) {
                    continue;
                }
                salvager.stray(&Stray { pgid, standing });
                let mut faults = Faults::default();
                Tree::new(&mut pages, &mut faults, &mut found, salvager).strict().below(pgid);
                if found.interrupted {
                    return Salvaged { interrupted: true, ..out };
                }
            }
        }
        let found = Found { pages: found.pages_read, buckets: found.buckets, keys: found.keys };
        match standing {
            Standing::Lost => out.lost = found,
            Standing::Unknown => out.unknown = found,
            Standing::Stale => out.stale = found,
        }
    }
    out
}

/// The stray pages of a database.
struct Strays {
    candidates: PageSet,
    /// Those that another one of the same standing leads to.
    led_to: PageSet,
    listed: PageSet,
    freelist_read: bool,
}

impl Strays {
    fn find(pages: &mut Pages<'_>, freelist_read: bool) -> Self {
        let (candidates, led_to) = (PageSet::new(pages.readable), PageSet::new(pages.readable));
        let mut strays = Self { candidates, led_to, listed: pages.listed.clone(), freelist_read };
        for pgid in 2..pages.readable {
            if pages.claimed.contains(pgid) {
                continue;
            }
            let Ok(page) = pages.read(pgid) else { continue };
            if let Some(node) = decode(page.as_slice(), pgid) {
                strays.candidates.insert(pgid);
                strays.note_children(&node, pgid);
            }
            pages.recycle(page);
        }
        strays
    }

    fn standing(&self, pgid: Pgid) -> Standing {
        match (self.freelist_read, self.listed.contains(pgid)) {
            (false, _) => Standing::Unknown,
            (true, true) => Standing::Stale,
            (true, false) => Standing::Lost,
        }
    }

    fn is_of(&self, pgid: Pgid, standing: Standing) -> bool {
        self.candidates.contains(pgid) && self.standing(pgid) == standing
    }

    /// Notes where the elements lead to, those at least that stand on a node's first page.
    fn note_children(&mut self, node: &Node<'_>, pgid: Pgid) {
        for index in 0..node.count {
            let Some(element) = node.element(index) else { return };
            let child = match node.leaf {
                false => Some(element.child),
                true if element.flags & BUCKET == 0 => None,
                true => node.value(&element).and_then(|value| u64_at(value, 0)),
            };
            if let Some(child) = child.filter(|child| self.standing(*child) == self.standing(pgid)) {
                self.led_to.insert(child);
            }
        }
    }
}

/// The page `pgid` as a node, if that is what its header says. The rest is looked at when it is visited.
fn decode(page: &[u8], pgid: Pgid) -> Option<Node<'_>> {
    let header = Header::read(page).filter(|header| header.id == pgid && page.len() > HEADER_BYTES)?;
    let leaf = match header.flags {
        LEAF => true,
        BRANCH => false,
        _ => return None,
    };
    let node = Node { bytes: page, leaf, count: header.count };
    (node.element(0)?.start == node.data_start()).then_some(node)
}
