//! The addon's allocator. Every block is wiped before it is freed, so a key never stays behind in memory
//! that Rust code has used: not in a grown buffer, not in a header map.

use std::alloc::{GlobalAlloc, Layout};

#[cfg(target_os = "linux")]
use crate::linux_allocator::LinuxAllocator as Underlying;
#[cfg(not(target_os = "linux"))]
use std::alloc::System as Underlying;

pub struct WipingAllocator;

// SAFETY: all work is the underlying allocator's; between, a block that is being freed is overwritten,
// which its owner can't see any more.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { Underlying.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { Underlying.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is `layout.size()` bytes long and nobody else's any more.
        unsafe {
            wipe(block, layout.size());
            Underlying.dealloc(block, layout);
        }
    }

    // `realloc` is the trait's own: a new block, a copy, and `dealloc` above for the old one. The
    // underlying one could move the block and leave the old bytes where they were.
}

/// Overwrites with zeros in a way that the compiler can't leave out.
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: as in `dealloc`.
    let bytes = unsafe {
        std::ptr::write_bytes(block, 0, size);
        std::slice::from_raw_parts(block, size)
    };
    zeroize::optimization_barrier(bytes);
}
