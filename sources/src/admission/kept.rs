//! For laws: what a deployment keeps of an admission, cut after cut.

use super::Admission;

/// What checkpoints keep of an admission: the last state, and the blocks that are still needed.
#[derive(Default)]
pub(super) struct Kept {
    state: Vec<u8>,
    blocks: Vec<Vec<u8>>,
}

impl Kept {
    pub(super) fn cut(&mut self, admission: &mut Admission) {
        self.state.clear();
        let mut block = Vec::new();
        let sealed = admission.cut_onto(&mut self.state, &mut block);
        assert_eq!(sealed.later.is_some(), !block.is_empty());
        if let Some(later) = sealed.later {
            later(&mut block);
            self.blocks.push(block);
        }
        self.blocks.drain(..self.blocks.len() - sealed.needed);
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let blocks = self.blocks.iter().flatten();
        self.state.iter().chain(blocks).copied().collect()
    }

    /// Goes on from a whole snapshot, whose blocks are one.
    pub(super) fn begin(&mut self, whole: &[u8]) {
        let blocks = &whole[Admission::stand_of(whole).len()..];
        self.blocks = [blocks.to_vec()].into_iter().filter(|all| !all.is_empty()).collect();
    }
}
