//! Collective operations on threads.

use super::*;
use crate::parallel::threads::ThreadTransport;

/// Runs `work` on every rank of a job of threads, and returns the results in order.
fn on_ranks<R: Send>(size: usize, work: impl Fn(Collective) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let ranks: Vec<_> = ThreadTransport::job(size)
            .into_iter()
            .map(|transport| {
                let work = &work;
                scope.spawn(move || {
                    let transport: Arc<dyn Transport> = Arc::new(transport);
                    let traffic = Arc::new(Traffic::default());
                    work(Collective::world(&transport, Lane::Main, Payload::Gradients, &traffic))
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// Values whose sum depends on its order.
fn values(rank: usize, len: usize) -> Vec<f32> {
    (0..len).map(|i| 1.0 / (1 + (i * 7 + rank * 13) % 29) as f32).collect()
}

#[test]
fn sums_are_those_of_the_tree_on_every_rank() {
    // The last has more than one bucket.
    for (size, len) in [(1, 5), (2, 7), (4, 1), (4, 1001), (8, 64), (8, 3), (2, BUCKET / 4 + 7)] {
        let expected = tree_sum((0..size).map(|rank| values(rank, len)).collect());
        let sums = on_ranks(size, |group| {
            let mut own = values(group.index(), len);
            group.all_reduce(&mut own).unwrap();
            (own, group.traffic.sent(Payload::Gradients))
        });
        for (sum, sent) in sums {
            assert_eq!(sum, expected);
            if len.is_multiple_of(size) {
                assert_eq!(sent as usize, 2 * (size - 1) * len / size * size_of::<f32>());
            }
        }
    }
}

/// Sums in half precision of these values of each rank, and bytes that the first has sent.
fn half_sums(ranks: &[Vec<f32>]) -> (Vec<f32>, u64) {
    let results = on_ranks(ranks.len(), |group| {
        let mut own = ranks[group.index()].clone();
        group.all_reduce_f16(&mut own).unwrap();
        (own, group.traffic.sent(Payload::Gradients))
    });
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for (sums, _) in &results {
        assert_eq!(bits(sums), bits(&results[0].0), "the ranks have different bits");
    }
    results.into_iter().next().unwrap()
}

#[test]
fn sums_in_half_precision_are_close_and_the_same_on_every_rank() {
    let len = 1000;
    for size in [1, 2, 4, 8] {
        for magnitude in [1.0_f32, 1e-8, 3e-30, 1e30, 70_000.0] {
            let spread = |rank: usize, i: usize| {
                let small = if i.is_multiple_of(3) { 1e-5 } else { 1.0 };
                magnitude * small * (((i * 7 + rank * 13) % 29) as f32 / 14.0 - 1.0)
            };
            let ranks: Vec<Vec<f32>> =
                (0..size).map(|rank| (0..len).map(|i| spread(rank, i)).collect()).collect();
            let (sums, sent) = half_sums(&ranks);
            let levels = f64::from(size.trailing_zeros());
            let bound = (levels / 2.0 + 1.0) * size as f64 / 2048.0;
            let mut rounded = false;
            for i in 0..len {
                let exact: f64 = ranks.iter().map(|rank| f64::from(rank[i])).sum();
                // Small values have an error of their own size.
                let largest = ranks.iter().map(|rank| f64::from(rank[i]).abs()).fold(0.0, f64::max);
                let floor = f64::from(magnitude) * (-37_f64).exp2() * size as f64;
                let error = (f64::from(sums[i]) - exact).abs();
                assert!(error <= bound * largest + floor, "{size} ranks, {magnitude}: {error:e}");
                rounded |= error > 1e-6 * largest;
            }
            assert_eq!(rounded, size > 1, "{size} ranks: the values did not travel in half precision");
            let exponents = 4 * u64::from(size.trailing_zeros());
            assert_eq!(sent, (2 * (size - 1) * len / size * size_of::<u16>()) as u64 + exponents);
        }
    }
}

/// The largest magnitude may be on any rank, and sums may be as large as they can become.
#[test]
fn the_scale_is_that_of_the_largest_magnitude_of_any_rank() {
    for size in [2, 4, 8] {
        for largest in 0..size {
            let values = |rank| vec![if rank == largest { 60_000.0 } else { 1.0 }; 9];
            let (sums, _) = half_sums(&(0..size).map(values).collect::<Vec<_>>());
            let exact = 60_000.0 + (size - 1) as f32;
            assert!(sums.iter().all(|sum| (sum / exact - 1.0).abs() < 2e-3), "{sums:?}");
        }
        for equal in [0.99 * f32::MAX / size as f32, 1.999_999_9, -65_519.0] {
            let (sums, _) = half_sums(&vec![vec![equal; 9]; size]);
            let exact = equal * size as f32;
            assert!(sums.iter().all(|sum| (sum / exact - 1.0).abs() < 2e-3), "{sums:?} of {exact}");
        }
    }
}

#[test]
fn zeros_and_tiny_values_in_half_precision() {
    for size in [1, 2, 4, 8] {
        assert_eq!(half_sums(&vec![vec![0.0; 5]; size]).0, [0.0; 5]);
        assert!(half_sums(&vec![Vec::new(); size]).0.is_empty());
        // The smallest values of single precision, far below those of half precision.
        for tiny in [1e-8, f32::MIN_POSITIVE, 1e-40] {
            let (sums, _) = half_sums(&vec![vec![tiny, -tiny, 0.0]; size]);
            let exact = tiny * size as f32;
            assert!((sums[0] / exact - 1.0).abs() < 1e-3 && sums[1] == -sums[0], "{sums:?} of {exact}");
            assert_eq!(sums[2], 0.0);
        }
    }
}

#[test]
fn non_finite_values_stay_non_finite_in_half_precision() {
    for size in [1, 2, 4, 8] {
        for (place, bad) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
            for rank in 0..size {
                let mut ranks = vec![vec![1e-8; 6]; size];
                ranks[rank][2 * place] = bad;
                let (sums, _) = half_sums(&ranks);
                for (i, sum) in sums.iter().enumerate() {
                    let expected = 1e-8 * size as f32;
                    let is_right = match i == 2 * place {
                        true => !sum.is_finite(),
                        false => (sum / expected - 1.0).abs() < 1e-3,
                    };
                    assert!(is_right, "{bad} of rank {rank} of {size}: {sums:?}");
                }
            }
        }
    }
}

#[test]
fn sums_of_three_ranks_are_refused() {
    for error in on_ranks(3, |group| group.all_reduce(&mut [1.0]).unwrap_err()) {
        assert!(error.message.contains("3 processes"), "{error}");
    }
}

#[test]
fn parts_of_any_size_are_gathered_and_scattered() {
    for size in [1, 2, 3, 4, 6] {
        let bounds: Vec<usize> = (0..=size).map(|i| i * 11 / size).collect();
        let parts: Vec<Range<usize>> = bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
        let whole = values(0, 11);
        let gathered = on_ranks(size, |group| {
            let mut values = vec![0.0; 11];
            let own = parts[group.index()].clone();
            values[own.clone()].copy_from_slice(&whole[own]);
            group.all_gather(&mut values, &parts).unwrap();
            values
        });
        assert!(gathered.iter().all(|values| *values == whole));
        let expected = tree_sum((0..size).map(|rank| values(rank, 11)).collect());
        let scattered = on_ranks(size, |group| {
            let mut values = values(group.index(), 11);
            group.scatter_sums(&mut values, &parts).unwrap();
            let own = parts[group.index()].clone();
            values[own.clone()] == expected[own]
        });
        assert!(scattered.iter().all(|&right| right));
    }
}

#[test]
fn values_are_shared() {
    for size in [1, 2, 5] {
        let all =
            on_ranks(size, |group| group.all_gather_values(&format!("rank {}", group.index())).unwrap());
        let expected: Vec<String> = (0..size).map(|rank| format!("rank {rank}")).collect();
        assert!(all.iter().all(|values| *values == expected));
        let heard = on_ranks(size, |group| {
            let own = (group.index() == 0).then(|| "a command".to_owned());
            group.broadcast_value(own.as_ref()).unwrap()
        });
        assert!(heard.iter().all(|value| value == "a command"));
    }
}

#[test]
fn a_rank_that_fails_ends_the_others() {
    let errors = on_ranks(3, |group| match group.index() {
        1 => {
            let error = Error::data("no images");
            group.transport.abort(&error);
            error
        }
        _ => group.receive(1, &mut [0.0]).unwrap_err(),
    });
    for error in [&errors[0], &errors[2]] {
        assert!(error.message.contains("rank 1 ended the job: no images"), "{error}");
    }
}

#[test]
fn groups_are_ranks_of_the_job() {
    let sums = on_ranks(4, |world| {
        let rank = world.index();
        let pair = world.group(vec![rank % 2, rank % 2 + 2]).unwrap();
        let mut values = [rank as f32];
        pair.all_reduce(&mut values).unwrap();
        values[0]
    });
    assert_eq!(sums, [2.0, 4.0, 2.0, 4.0]);
}
