//! Lists of numbers, each list in as few bytes a number as its largest needs.

/// A list of numbers.
#[derive(Debug)]
pub(super) enum Numbers {
    Bytes(Box<[u8]>),
    Shorts(Box<[u16]>),
    Longs(Box<[u32]>),
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Bytes(Box::default())
    }
}

impl FromIterator<u32> for Numbers {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let longs: Vec<u32> = numbers.into_iter().collect();
        let bytes: Result<_, _> = longs.iter().map(|n| u8::try_from(*n)).collect();
        if let Ok(bytes) = bytes {
            return Self::Bytes(bytes);
        }
        let shorts: Result<_, _> = longs.iter().map(|n| u16::try_from(*n)).collect();
        shorts.map_or_else(|_| Self::Longs(longs.into()), Self::Shorts)
    }
}

impl Numbers {
    /// The number at a place.
    pub(super) fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Bytes(numbers) => numbers.get(at).copied().map(u32::from),
            Self::Shorts(numbers) => numbers.get(at).copied().map(u32::from),
            Self::Longs(numbers) => numbers.get(at).copied(),
        }
    }

    /// What the `number`-th part spans when each part ends where this list says.
    pub(super) fn range(&self, number: u32) -> std::ops::Range<usize> {
        let number = number as usize;
        let start = number.checked_sub(1).and_then(|n| self.get(n));
        let end = self.get(number).unwrap_or_default();
        start.unwrap_or_default() as usize..end as usize
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(numbers) => numbers.len(),
            Self::Shorts(numbers) => numbers.len(),
            Self::Longs(numbers) => numbers.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_given_back() {
        for all in [
            vec![],
            vec![0, 255],
            vec![1, 256],
            vec![7, 65_536, u32::MAX],
        ] {
            let kept: Numbers = all.iter().copied().collect();
            let back: Vec<u32> = (0..=all.len()).filter_map(|at| kept.get(at)).collect();
            assert_eq!(back, all);
        }
    }
}
