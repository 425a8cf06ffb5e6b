//! How many copies there are of what, and which pod is the how-manieth.
//!
//! Namespaces are copied, and within each copy of a namespace its workloads have more replicas.
//! A copy number counts replicas of all namespaces: `space * replicas + replica`.

/// The most replicas that a recorded pod gets in one namespace.
const MAX_REPLICAS: u32 = 10;
/// Pods that a node has, as far as those that were recorded on one node can be parted.
const PODS_PER_NODE: u32 = 30;

/// The arithmetic of a multiplied cluster. Recorded pods of the copied namespaces are numbered,
/// first those of workloads, then those that nothing owns, of which a namespace has one each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Recorded pods of workloads.
    owned: u32,
    /// All recorded pods of the copied namespaces.
    recorded: u32,
    /// How many pods the copied namespaces have together.
    wanted: u32,
    replicas: u32,
    spaces: u32,
}

impl Layout {
    /// For so many pods; `wanted` is at least `recorded`, and that is above zero.
    pub(super) fn of(owned: u32, recorded: u32, wanted: u32) -> Self {
        let copies = wanted.div_ceil(recorded.max(1));
        let replicas = match owned {
            0 => 1,
            _ => copies.clamp(1, MAX_REPLICAS),
        };
        let layout = Self {
            owned,
            recorded,
            wanted,
            replicas,
            spaces: 1,
        };
        let spaces = wanted.div_ceil(layout.pods_per_space().max(1)).max(1);
        Self { spaces, ..layout }
    }

    /// Pods of the copied namespaces, all of one copy.
    fn pods_per_space(&self) -> u32 {
        self.recorded + (self.replicas - 1) * self.owned
    }

    /// How many copies of each namespace there are.
    pub(super) fn spaces(&self) -> u32 {
        self.spaces
    }

    pub(super) fn copies(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.spaces * self.replicas
    }

    /// The copies that a namespace's copy is made of.
    pub(super) fn copies_of_space(&self, space: u32) -> impl Iterator<Item = u32> + use<> {
        space * self.replicas..(space + 1) * self.replicas
    }

    /// The first copy of each namespace's copy.
    pub(super) fn firsts(&self) -> impl Iterator<Item = u32> + use<> {
        let replicas = self.replicas;
        (0..self.spaces).map(move |space| space * replicas)
    }

    /// Which copy of the namespaces a copy belongs to.
    pub(super) fn space_of(&self, copy: u32) -> u32 {
        copy / self.replicas
    }

    pub(super) fn replica_of(&self, copy: u32) -> u32 {
        copy % self.replicas
    }

    /// The number of a pod's copy among all pods; `None` if there is no such copy.
    pub(super) fn serial(&self, pod: u32, copy: u32) -> Option<u32> {
        let (space, replica) = (self.space_of(copy), self.replica_of(copy));
        if replica > 0 && pod >= self.owned {
            return None;
        }
        let before = match replica {
            0 => 0,
            _ => self.recorded + (replica - 1) * self.owned,
        };
        let serial = space * self.pods_per_space() + before + pod;
        (serial < self.wanted).then_some(serial)
    }

    /// How many nodes a node becomes that has so many of the recorded pods.
    pub(super) fn nodes(&self, pods: u32) -> u32 {
        if pods == 0 {
            return 1;
        }
        let together = (PODS_PER_NODE / pods).max(1);
        (self.spaces * self.replicas).div_ceil(together)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn serials(layout: &Layout) -> Vec<u32> {
        let pods = |copy| (0..layout.recorded).filter_map(move |pod| layout.serial(pod, copy));
        layout.copies().flat_map(pods).collect()
    }

    #[test]
    fn there_are_exactly_as_many_pods_as_wanted() {
        for (owned, recorded, wanted) in [
            (8, 10, 10),
            (8, 10, 11),
            (8, 10, 1000),
            (8, 8, 9993),
            (0, 3, 50),
            (1, 1, 1),
        ] {
            let layout = Layout::of(owned, recorded, wanted);
            let serials = serials(&layout);
            let distinct: BTreeSet<u32> = serials.iter().copied().collect();
            assert_eq!(serials.len(), wanted as usize, "{layout:?}");
            assert_eq!(distinct.len(), wanted as usize, "{layout:?}");
            assert_eq!(distinct.last(), Some(&(wanted - 1)), "{layout:?}");
        }
    }

    #[test]
    fn the_recorded_pods_are_the_first_copy() {
        let layout = Layout::of(8, 10, 1000);
        let first: Vec<_> = (0..10).map(|pod| layout.serial(pod, 0)).collect();
        assert_eq!(first, (0..10).map(Some).collect::<Vec<_>>());
        assert_eq!(layout.serial(9, 1), None);
    }

    #[test]
    fn a_node_has_about_thirty_pods() {
        let layout = Layout::of(10, 10, 1000);
        assert_eq!(layout.nodes(10), 34);
        assert_eq!(layout.nodes(0), 1);
        assert_eq!(layout.nodes(100), 100);
    }
}
