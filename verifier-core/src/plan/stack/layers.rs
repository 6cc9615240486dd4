//! The layers that made a tree: its own only, or those of the whole stack.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::digest::{DiffId, Digest};
use crate::finding::Subject;
use crate::texts::Text;

/// A layer's blob, as it will be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSource {
    /// The blob.
    pub digest: Digest,
    /// Its media type.
    pub media_type: Text,
    /// What its tar must hash to.
    pub diff_id: DiffId,
    /// The file's size.
    pub size_bytes: u64,
}

/// The layers that made a tree. All trees of a plan share them: written out for each, those of a stack of whole trees would
/// take memory by the square of its height.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    top: Option<(Arc<Stacked>, usize)>,
}

/// All layers of a plan, each above the one that it was applied to.
#[derive(Debug, Default)]
pub(in crate::plan) struct Stacked(Vec<Layer>);

#[derive(Debug)]
struct Layer {
    source: LayerSource,
    below: Option<usize>,
    /// Of this one and those below.
    count: usize,
    size_bytes: u64,
}

/// What is known of layers by their places among all of a plan: whatever is asked of stacks is then asked of each layer once.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<usize, bool>);

impl LayerSource {
    pub(in crate::plan) fn subject(&self) -> Subject {
        Subject::Blob { digest: self.digest.clone() }
    }
}

impl Stacked {
    /// Puts a layer on the one at the place `below`, and returns its own place.
    pub(in crate::plan) fn push(&mut self, source: LayerSource, below: Option<usize>) -> usize {
        let (count, size_bytes) =
            below.and_then(|below| self.0.get(below)).map_or((0, 0), |layer| (layer.count, layer.size_bytes));
        let size_bytes = size_bytes.saturating_add(source.size_bytes);
        self.0.push(Layer { source, below, count: count + 1, size_bytes });
        self.0.len() - 1
    }

    /// The layer at a place.
    pub(in crate::plan) fn source(&self, at: usize) -> Option<&LayerSource> {
        self.0.get(at).map(|layer| &layer.source)
    }

    /// The layer at the place `top` and those below it.
    pub(in crate::plan) fn layers(self: &Arc<Self>, top: usize) -> Layers {
        Layers { top: Some((Arc::clone(self), top)) }
    }
}

impl Layers {
    fn layer(&self) -> Option<&Layer> {
        self.top.as_ref().and_then(|(stacked, top)| stacked.0.get(*top))
    }

    fn places(&self) -> impl Iterator<Item = (usize, &Layer)> {
        let at = |place: usize| Some((place, self.top.as_ref()?.0.0.get(place)?));
        let top = self.top.as_ref().and_then(|(_, top)| at(*top));
        std::iter::successors(top, move |(_, layer)| layer.below.and_then(at))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.top.is_none()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layer().map_or(0, |layer| layer.count)
    }

    /// The bytes of all their blobs.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.layer().map_or(0, |layer| layer.size_bytes)
    }

    /// The topmost.
    #[must_use]
    pub fn top(&self) -> Option<&LayerSource> {
        self.layer().map(|layer| &layer.source)
    }

    /// All of them, the topmost first.
    pub fn top_first(&self) -> impl Iterator<Item = &LayerSource> {
        self.places().map(|(_, layer)| &layer.source)
    }

    /// All of them, in the order in which they are applied.
    #[must_use]
    pub fn base_first(&self) -> Vec<&LayerSource> {
        let mut layers = Vec::with_capacity(self.len());
        layers.extend(self.top_first());
        layers.reverse();
        layers
    }

    /// The one with so many below it.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&LayerSource> {
        let above = self.len().checked_sub(at)?.checked_sub(1)?;
        self.top_first().nth(above)
    }

    /// Whether `is` holds for any of them. It must be the same question whenever `answers` are the same, and the layers of one plan.
    pub(crate) fn any(&self, answers: &mut Answers, is: impl Fn(&LayerSource) -> bool) -> bool {
        let (mut asked, mut answer) = (Vec::new(), false);
        for (place, layer) in self.places() {
            let known = answers.0.get(&place).copied();
            answer = known.unwrap_or_else(|| is(&layer.source));
            if known.is_some() {
                break;
            }
            asked.push(place);
            if answer {
                break;
            }
        }
        answers.0.extend(asked.into_iter().map(|place| (place, answer)));
        answer
    }

    /// Those that `seen` has not; it has them afterwards. They must be of one plan.
    pub(in crate::plan) fn unseen(&self, seen: &mut BTreeSet<usize>) -> impl Iterator<Item = &LayerSource> {
        let new = self.places().take_while(move |(place, _)| seen.insert(*place));
        new.map(|(_, layer)| &layer.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u8) -> LayerSource {
        let digest: Digest = format!("sha256:{number:064x}").parse().unwrap();
        let (diff_id, size_bytes) = (DiffId(digest.clone()), u64::from(number));
        LayerSource { digest, media_type: "tar".into(), diff_id, size_bytes }
    }

    fn stacked(count: u8) -> Arc<Stacked> {
        let mut stacked = Stacked::default();
        (0..count).fold(None, |below, number| Some(stacked.push(source(number), below)));
        Arc::new(stacked)
    }

    #[test]
    fn a_stack_has_its_own_layer_on_top_and_the_base_first() {
        let layers = stacked(4).layers(2);
        assert_eq!((layers.len(), layers.size_bytes(), layers.is_empty()), (3, 3, false));
        assert_eq!(layers.top(), Some(&source(2)));
        assert_eq!(layers.base_first(), [&source(0), &source(1), &source(2)]);
        let each: Vec<_> = (0..4).map(|at| layers.get(at)).collect();
        assert_eq!(each, [Some(&source(0)), Some(&source(1)), Some(&source(2)), None]);
        let none = Layers::default();
        assert_eq!((none.len(), none.size_bytes(), none.is_empty()), (0, 0, true));
        assert_eq!((none.top(), none.get(0)), (None, None));
    }

    #[test]
    fn each_layer_is_asked_once_in_whatever_order() {
        let stacked = stacked(9);
        for tops in [[3, 8, 0, 5], [8, 5, 3, 0], [0, 3, 5, 8], [5, 0, 8, 3]] {
            for wrong in 0..10 {
                let (mut answers, asked) = (Answers::default(), std::cell::Cell::new(0));
                let is = |layer: &LayerSource| {
                    asked.set(asked.get() + 1);
                    *layer == source(wrong)
                };
                for top in tops {
                    let any = stacked.layers(top).any(&mut answers, is);
                    assert_eq!(any, usize::from(wrong) <= top, "{wrong} {top}");
                }
                assert!(asked.get() <= 9, "{wrong} {tops:?}");
            }
            let mut seen = BTreeSet::new();
            let new: usize = tops.map(|top| stacked.layers(top).unseen(&mut seen).count()).iter().sum();
            assert_eq!((new, seen.len()), (9, 9));
        }
    }
}
