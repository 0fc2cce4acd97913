//! Sequence sets: message numbers or UIDs, as clients write them (RFC 3501 §9 `sequence-set`).

/// A set as written: ranges whose ends may be `*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Set(Vec<(End, End)>);

/// One end of a range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// A number, never 0.
    Number(u32),
    /// `*`: the largest number in use.
    Largest,
}

impl Set {
    /// From its ranges; a single number is a range of one.
    pub fn new(ranges: Vec<(End, End)>) -> Self {
        Self(ranges)
    }

    /// The largest number that was written out. A range with `*` does not count: clients mean it as "from here
    /// on", also when nothing is there.
    pub fn largest_written(&self) -> Option<u32> {
        let ends = self.0.iter().map(|range| match range {
            (End::Number(from), End::Number(to)) => *from.max(to),
            (End::Largest, _) | (_, End::Largest) => 0,
        });
        ends.max()
    }

    /// With `*` filled in: sorted, without overlaps. `largest` 0 (an empty folder) leaves nothing of `*` alone.
    pub fn resolve(&self, largest: u32) -> Ranges {
        let number = |end| match end {
            End::Number(number) => number,
            End::Largest => largest,
        };
        let mut ranges: Vec<(u32, u32)> = self
            .0
            .iter()
            .map(|(from, to)| (number(*from), number(*to)))
            .map(|(from, to)| (from.min(to), from.max(to)))
            .filter(|(_, to)| *to > 0)
            .collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match merged.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Ranges(merged)
    }
}

/// Numbers as sorted, disjoint ranges.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// From numbers in ascending order.
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some(last) if last.1.checked_add(1) == Some(number) => last.1 = number,
                _ => ranges.push((number, number)),
            }
        }
        Self(ranges)
    }

    /// Is it one of them?
    pub fn contains(&self, number: u32) -> bool {
        let at = self.0.partition_point(|(_, to)| *to < number);
        self.0.get(at).is_some_and(|(from, _)| *from <= number)
    }

    /// The ranges, both ends included.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().copied()
    }
}

/// Writes numbers in the given order, runs of successors joined: `4:6,2,9`. The order is kept because the two
/// sets of COPYUID correspond one to one (RFC 4315 §3).
pub fn in_order(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut out = String::new();
    let mut run: Option<(u32, u32)> = None;
    let mut close = |run: (u32, u32)| {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&run.0.to_string());
        if run.1 > run.0 {
            out.push(':');
            out.push_str(&run.1.to_string());
        }
    };
    for number in numbers {
        run = match run {
            Some((from, to)) if to.checked_add(1) == Some(number) => Some((from, number)),
            Some(ended) => {
                close(ended);
                Some((number, number))
            }
            None => Some((number, number)),
        };
    }
    run.map(&mut close);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use End::Largest;
    use End::Number as N;
    use proptest::prelude::*;

    #[test]
    fn resolves_as_the_standard_says() {
        for (set, largest, want) in [
            (vec![(N(2), N(2)), (N(4), N(7)), (N(9), N(9)), (N(12), Largest)], 15, "2,4:7,9,12:15"),
            (vec![(Largest, N(4)), (N(5), N(7))], 10, "4:10"),
            (vec![(N(3291), Largest)], 559, "559:3291"),
            (vec![(Largest, Largest)], 0, ""),
            (vec![(N(1), Largest)], 0, "0:1"),
            (vec![(N(3), N(1)), (N(2), N(5)), (N(6), N(6))], 9, "1:6"),
        ] {
            let resolved = Set::new(set).resolve(largest);
            let text: Vec<String> = resolved
                .iter()
                .map(|(a, b)| if a == b { a.to_string() } else { format!("{a}:{b}") })
                .collect();
            assert_eq!(text.join(","), want);
        }
    }

    #[test]
    fn writes_runs_in_order() {
        assert_eq!(in_order([4, 5, 6, 2, 9, 10]), "4:6,2,9:10");
        assert_eq!(in_order([]), "");
    }

    proptest! {
        #[test]
        fn holds_exactly_what_was_asked(
            ranges in proptest::collection::vec((0_u32..40, 0_u32..40), 0..8),
            largest in 0_u32..40,
        ) {
            let end = |n: u32| if n == 0 { Largest } else { N(n) };
            let resolved = Set::new(ranges.iter().map(|(a, b)| (end(*a), end(*b))).collect()).resolve(largest);
            for number in 1..50 {
                let want = ranges.iter().any(|(a, b)| {
                    let (a, b) = (if *a == 0 { largest } else { *a }, if *b == 0 { largest } else { *b });
                    (a.min(b)..=a.max(b)).contains(&number)
                });
                prop_assert_eq!(resolved.contains(number), want);
            }
            let ranges: Vec<_> = resolved.iter().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
