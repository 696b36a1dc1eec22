//! Whether this machine has memory to spare.

use std::fs;

/// Of a hundred parts of the memory, how many must be free before more is started in advance.
const LEAST_FREE: u64 = 10;

/// Whether less than a tenth of the memory is available. Blocks for a moment; `false` where the kernel
/// does not say.
#[must_use]
pub fn memory_is_short() -> bool {
    fs::read_to_string("/proc/meminfo").is_ok_and(|text| is_short(&text))
}

fn is_short(meminfo: &str) -> bool {
    let of = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    match (of("MemTotal:"), of("MemAvailable:")) {
        (Some(total), Some(available)) => available.saturating_mul(100) < total.saturating_mul(LEAST_FREE),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_enough() {
        let text = |available: u64| format!("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   {available} kB\n");
        assert_eq!([99, 100, 900].map(|available| is_short(&text(available))), [true, false, false]);
        assert!(!is_short("") && !is_short("MemTotal: x kB\nMemAvailable: 1 kB"));
    }
}
