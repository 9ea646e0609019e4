//! Where derived keys end up in memory, read back from the kernel's own account of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::MemoryProtection::{self, Heap, Locked, MemfdSecret};
use crate::locked_pages::LockedPages;

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn items_are_kept_and_dropped_once_at_every_level() {
    for level in [MemfdSecret, Locked, Heap] {
        let numbers = LockedPages::with_best_of(&[level], 5_000, |index| index as u64);
        assert!(numbers.iter().copied().eq(0..5_000));
        assert!([level, Heap].contains(&numbers.protection()));

        let drops = Arc::new(AtomicUsize::new(0));
        drop(LockedPages::with_best_of(&[level], 3, |_| {
            Counted(drops.clone())
        }));
        assert_eq!(drops.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn a_panic_while_filling_drops_what_was_written() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counter = drops.clone();
    let result = std::panic::catch_unwind(move || {
        LockedPages::new(3, |index| {
            assert!(index < 2, "stop here");
            Counted(counter.clone())
        })
    });
    assert!(result.is_err());
    assert_eq!(drops.load(Ordering::SeqCst), 2);
}

#[test]
fn the_best_level_that_the_system_grants_is_reached_and_reported() {
    let best = LockedPages::new(1, |_| 7_u64).protection();
    let alone = |level| LockedPages::with_best_of(&[level], 1, |_| 7_u64).protection();
    let expected = [MemfdSecret, Locked]
        .into_iter()
        .find(|level| alone(*level) == *level);
    assert_eq!(best, expected.unwrap_or(Heap));
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_confirms_the_level_reported() {
    for level in [MemfdSecret, Locked, Heap] {
        let pages = LockedPages::with_best_of(&[level], 1, |_| 7_u64);
        let mapping = mapping_of(pages.as_ptr() as usize);
        match pages.protection() {
            MemfdSecret => {
                assert!(mapping.contains("secretmem"), "{mapping}");
                assert!(read_own_memory(pages.as_ptr() as usize).is_err());
            }
            Locked => {
                assert!(read_own_memory(pages.as_ptr() as usize).is_ok());
                // Some sandboxes (gVisor) don't keep VmFlags.
                if let Some(flags) = mapping
                    .lines()
                    .find_map(|line| line.strip_prefix("VmFlags:"))
                {
                    let has = |flag| flags.split_whitespace().any(|word| word == flag);
                    assert!(has("lo") && has("dd"), "{mapping}");
                }
            }
            Heap => assert!(read_own_memory(pages.as_ptr() as usize).is_ok()),
        }
    }
}

/// The entry of `/proc/self/smaps` that an address lies in.
#[cfg(target_os = "linux")]
fn mapping_of(address: usize) -> String {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut entry = String::new();
    let mut inside = false;
    for line in smaps.lines() {
        let range = line
            .split_once(' ')
            .and_then(|(range, _)| range.split_once('-'));
        let bounds = range.and_then(|(from, to)| {
            Some((
                usize::from_str_radix(from, 16).ok()?,
                usize::from_str_radix(to, 16).ok()?,
            ))
        });
        if let Some((from, to)) = bounds {
            inside = (from..to).contains(&address);
        }
        if inside {
            entry.push_str(line);
            entry.push('\n');
        }
    }
    assert!(!entry.is_empty(), "no mapping holds the address");
    entry
}

/// Reads 8 bytes the way a debugger would.
#[cfg(target_os = "linux")]
fn read_own_memory(address: usize) -> std::io::Result<[u8; 8]> {
    use std::os::unix::fs::FileExt;
    let mut bytes = [0; 8];
    std::fs::File::open("/proc/self/mem")?.read_exact_at(&mut bytes, address as u64)?;
    Ok(bytes)
}

#[test]
fn levels_have_stable_names() {
    assert_eq!(
        [MemfdSecret, Locked, Heap].map(MemoryProtection::as_str),
        ["memfd_secret", "locked", "heap"]
    );
}
