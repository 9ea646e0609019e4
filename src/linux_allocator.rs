//! What Linux allocates from: mimalloc for small blocks, which takes half the time of glibc's and a
//! fraction of musl's; the system for large ones, which gives them back at once. The build keeps the addon
//! loaded for good (`build.rs`), since threads that end run mimalloc's code.

use std::alloc::{GlobalAlloc, Layout, System};

use libmimalloc_sys::{mi_free, mi_malloc, mi_malloc_aligned, mi_zalloc, mi_zalloc_aligned};

/// The smallest block, in bytes, that is the system's.
const LARGE: usize = 64 << 10;

/// What mimalloc aligns every block to that is at least as large.
const ALIGNED_ANYWAY: usize = 16;

pub struct LinuxAllocator;

// SAFETY: a block's size decides whose it is, when it is made and when it is freed; both allocators may be
// called from any thread.
unsafe impl GlobalAlloc for LinuxAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        unsafe {
            match kind(layout) {
                Kind::Large => System.alloc(layout),
                Kind::Plain => mi_malloc(size).cast(),
                Kind::Aligned => mi_malloc_aligned(size, align).cast(),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        unsafe {
            match kind(layout) {
                Kind::Large => System.alloc_zeroed(layout),
                Kind::Plain => mi_zalloc(size).cast(),
                Kind::Aligned => mi_zalloc_aligned(size, align).cast(),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe {
            match kind(layout) {
                Kind::Large => System.dealloc(block, layout),
                Kind::Plain | Kind::Aligned => mi_free(block.cast()),
            }
        }
    }
}

enum Kind {
    Large,
    Plain,
    Aligned,
}

fn kind(layout: Layout) -> Kind {
    if layout.size() >= LARGE {
        Kind::Large
    } else if layout.align() <= ALIGNED_ANYWAY && layout.size() >= layout.align() {
        Kind::Plain
    } else {
        Kind::Aligned
    }
}
