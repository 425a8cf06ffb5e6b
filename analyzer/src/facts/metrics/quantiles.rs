//! Quantiles from the buckets of histograms.

use super::series::Histogram;
use super::store::Bucket;

/// Buckets of one or several histograms, added up.
#[derive(Debug, Clone, Default)]
pub(super) struct Quantiles {
    /// In the order of their bounds.
    buckets: Vec<Bucket>,
}

impl Quantiles {
    /// Adds buckets.
    pub(super) fn add(&mut self, buckets: &[Bucket]) {
        for bucket in buckets {
            let at = self
                .buckets
                .binary_search_by(|b| b.upper.total_cmp(&bucket.upper));
            match at {
                Ok(at) => {
                    if let Some(same) = self.buckets.get_mut(at) {
                        same.count += bucket.count;
                        same.lower = same.lower.max(bucket.lower);
                    }
                }
                Err(at) => self.buckets.insert(at, *bucket),
            }
        }
    }

    /// How many observations there are.
    pub(super) fn count(&self) -> f64 {
        self.buckets.iter().map(|b| b.count).sum()
    }

    /// The value that a share of all observations does not exceed, interpolated within its
    /// bucket as Prometheus does; within the last, unbounded bucket its lower bound. `None`
    /// without observations.
    pub(super) fn at(&self, share: f64) -> Option<f64> {
        let rank = self.count() * share;
        let mut below = 0.0;
        for bucket in &self.buckets {
            if below + bucket.count >= rank {
                let within = (rank - below) / bucket.count;
                let width = bucket.upper - bucket.lower;
                return Some(if width.is_finite() {
                    bucket.lower + width * within
                } else {
                    bucket.lower
                });
            }
            below += bucket.count;
        }
        self.buckets.last().map(|b| b.lower)
    }
}

/// Quantiles since the start and between the scrapes.
#[derive(Debug, Clone, Default)]
pub(super) struct Latency {
    pub(super) lifetime: Quantiles,
    pub(super) delta: Quantiles,
}

impl Latency {
    /// Adds a histogram.
    pub(super) fn add(&mut self, histogram: &Histogram<'_>) {
        self.lifetime.add(histogram.lifetime);
        self.delta
            .add(histogram.delta.as_deref().unwrap_or_default());
    }

    /// What was observed between the scrapes, or since the start if there is nothing between.
    pub(super) fn newest(&self) -> &Quantiles {
        if self.delta.count() > 0.0 {
            &self.delta
        } else {
            &self.lifetime
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(lower: f64, upper: f64, count: f64) -> Bucket {
        Bucket {
            lower,
            upper,
            count,
        }
    }

    #[test]
    fn a_quantile_is_interpolated_within_its_bucket() {
        let mut quantiles = Quantiles::default();
        quantiles.add(&[bucket(10.0, 20.0, 50.0)]);
        quantiles.add(&[bucket(0.0, 1.0, 50.0)]);
        assert_eq!(quantiles.at(0.5), Some(1.0));
        assert_eq!(quantiles.at(0.75), Some(15.0));
        assert_eq!(Quantiles::default().at(0.5), None);
    }

    #[test]
    fn beyond_the_last_bound_nothing_is_made_up() {
        let mut quantiles = Quantiles::default();
        quantiles.add(&[bucket(50_000.0, f64::INFINITY, 3.0)]);
        assert_eq!(quantiles.at(0.95), Some(50_000.0));
    }
}
