//! Memory for keys that must reach neither swap nor core dumps: `memfd_secret` on Linux, which
//! hides the page from the kernel's own mapping too; else pages locked with `mlock` or
//! `VirtualLock`; else the plain heap. The level reached is reported. This is the crate's only
//! file with `unsafe`; it knows nothing of keys.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::mem::{MaybeUninit, align_of, size_of};
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;

use zeroize::Zeroize;

/// How well derived keys are kept. All levels are wiped when the ring is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryProtection {
    /// Linux `memfd_secret`: not in swap, core dumps or the kernel's direct map, and closed to
    /// other processes, debuggers included. Such memory also keeps a machine from hibernating.
    MemfdSecret,
    /// Locked pages: not in swap, and on Linux not in core dumps either.
    Locked,
    /// The plain heap: the system refused to lock pages, mostly for a low `RLIMIT_MEMLOCK`.
    Heap,
}

impl MemoryProtection {
    /// `"memfd_secret"`, `"locked"` or `"heap"`.
    ///
    /// ```
    /// assert_eq!(byok_vault::MemoryProtection::Locked.as_str(), "locked");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MemfdSecret => "memfd_secret",
            Self::Locked => "locked",
            Self::Heap => "heap",
        }
    }
}

/// A fixed slice of `T` in the best memory there is; dropped and wiped with its owner.
pub(crate) struct LockedPages<T> {
    block: Block,
    /// How many items have been written: all of them, once `new` has returned.
    len: usize,
    items: NonNull<T>,
}

impl<T> LockedPages<T> {
    /// `len` items, each made by `make` and then moved into place.
    pub(crate) fn new(len: usize, make: impl FnMut(usize) -> T) -> Self {
        use MemoryProtection::{Heap, Locked, MemfdSecret};
        Self::with_best_of(&[MemfdSecret, Locked, Heap], len, make)
    }

    pub(crate) fn with_best_of(
        levels: &[MemoryProtection],
        len: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Self {
        const { assert!(align_of::<T>() <= BLOCK_ALIGN && size_of::<T>() > 0) };
        let bytes = size_of::<T>()
            .checked_mul(len)
            .expect("a few keys fit in memory")
            .max(1);
        let block = levels
            .iter()
            .find_map(|level| Block::allocate(*level, bytes))
            .unwrap_or_else(|| Block::on_heap(bytes));
        let mut pages = Self {
            items: block.start.cast(),
            len: 0,
            block,
        };
        for index in 0..len {
            let item = make(index);
            // SAFETY: the block holds `len` items of `T`, aligned to at least `BLOCK_ALIGN`, and
            // `index < len`. Items before `len` are dropped with `pages` even if `make` panics.
            unsafe { pages.items.add(index).write(item) };
            pages.len = index + 1;
        }
        pages
    }

    pub(crate) fn protection(&self) -> MemoryProtection {
        self.block.protection
    }
}

impl<T> Deref for LockedPages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the first `len` items were written by `new`, and nothing writes them again
        // before `drop`, which has `&mut self`.
        unsafe { slice::from_raw_parts(self.items.as_ptr(), self.len) }
    }
}

impl<T> Drop for LockedPages<T> {
    fn drop(&mut self) {
        // SAFETY: as in `deref`; each item is dropped once, here, and never used again.
        unsafe { NonNull::slice_from_raw_parts(self.items, self.len).drop_in_place() };
    }
}

// SAFETY: the pages are owned like a `Box<[T]>`: no aliasing, no thread affinity of the memory.
unsafe impl<T: Send> Send for LockedPages<T> {}
// SAFETY: as above; a shared reference only gives `&[T]`.
unsafe impl<T: Sync> Sync for LockedPages<T> {}

const BLOCK_ALIGN: usize = 64;

/// Zeroed memory, aligned to `BLOCK_ALIGN` at least; wiped and given back on drop.
struct Block {
    start: NonNull<u8>,
    bytes: usize,
    protection: MemoryProtection,
}

impl Block {
    fn allocate(protection: MemoryProtection, bytes: usize) -> Option<Self> {
        let start = match protection {
            MemoryProtection::MemfdSecret => system::secret_pages(bytes)?,
            MemoryProtection::Locked => system::locked_pages(bytes)?,
            MemoryProtection::Heap => return Some(Self::on_heap(bytes)),
        };
        Some(Self {
            start,
            bytes,
            protection,
        })
    }

    fn on_heap(bytes: usize) -> Self {
        let layout = Self::heap_layout(bytes);
        // SAFETY: `bytes` is at least 1, as `with_best_of` sees to.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout));
        Self {
            start,
            bytes,
            protection: MemoryProtection::Heap,
        }
    }

    fn heap_layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, BLOCK_ALIGN).expect("a few keys fit in memory")
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block owns `bytes` writable bytes from `start`, which nothing borrows any
        // more; `MaybeUninit<u8>` may hold anything. It is given back the way it was taken.
        unsafe {
            let content = self.start.cast::<MaybeUninit<u8>>();
            slice::from_raw_parts_mut(content.as_ptr(), self.bytes).zeroize();
            match self.protection {
                MemoryProtection::Heap => {
                    dealloc(self.start.as_ptr(), Self::heap_layout(self.bytes));
                }
                _ => system::release(self.start, self.bytes),
            }
        }
    }
}

#[cfg(unix)]
mod system {
    use std::ptr::{NonNull, null_mut};

    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    pub(super) fn secret_pages(bytes: usize) -> Option<NonNull<u8>> {
        let length = libc::off_t::try_from(bytes).ok()?;
        // SAFETY: plain system calls; the descriptor is ours and closed once. The mapping keeps
        // the memory alive without it.
        unsafe {
            let fd = libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) as libc::c_int;
            if fd < 0 {
                return None;
            }
            let pages = if libc::ftruncate(fd, length) == 0 {
                map(bytes, libc::MAP_SHARED, fd)
            } else {
                None
            };
            libc::close(fd);
            pages
        }
    }

    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    pub(super) fn secret_pages(_bytes: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(super) fn locked_pages(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: an anonymous mapping, locked as a whole; unmapped again when that is refused.
        unsafe {
            let start = map(bytes, libc::MAP_PRIVATE | libc::MAP_ANON, -1)?;
            let mut kept = libc::mlock(start.as_ptr().cast(), bytes) == 0;
            #[cfg(any(target_os = "linux", target_os = "android"))]
            {
                kept =
                    kept && libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_DONTDUMP) == 0;
            }
            if !kept {
                release(start, bytes);
                return None;
            }
            Some(start)
        }
    }

    /// # Safety
    /// `start` and `bytes` must be those of a mapping made here, and nothing may use it after.
    pub(super) unsafe fn release(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's promise. Unmapping unlocks, too.
        unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    }

    unsafe fn map(bytes: usize, flags: libc::c_int, fd: libc::c_int) -> Option<NonNull<u8>> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping wherever the system likes; nothing existing is replaced.
        let start = unsafe { libc::mmap(null_mut(), bytes, access, flags, fd, 0) };
        if start == libc::MAP_FAILED {
            None
        } else {
            NonNull::new(start.cast())
        }
    }
}

#[cfg(windows)]
mod system {
    use std::ptr::{NonNull, null};

    use windows_sys::Win32::System::Memory::{
        MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc, VirtualFree,
        VirtualLock,
    };

    pub(super) fn secret_pages(_bytes: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(super) fn locked_pages(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: new, zeroed pages wherever the system likes; freed when locking is refused.
        unsafe {
            let start = VirtualAlloc(null(), bytes, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
            let start = NonNull::new(start.cast::<u8>())?;
            if VirtualLock(start.as_ptr().cast(), bytes) == 0 {
                release(start, bytes);
                return None;
            }
            Some(start)
        }
    }

    /// # Safety
    /// `start` must be that of pages made here, and nothing may use them after.
    pub(super) unsafe fn release(start: NonNull<u8>, _bytes: usize) {
        // SAFETY: the caller's promise. Freeing unlocks, too; the size must be 0 for MEM_RELEASE.
        unsafe { VirtualFree(start.as_ptr().cast(), 0, MEM_RELEASE) };
    }
}

#[cfg(not(any(unix, windows)))]
mod system {
    use std::ptr::NonNull;

    pub(super) fn secret_pages(_bytes: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(super) fn locked_pages(_bytes: usize) -> Option<NonNull<u8>> {
        None
    }

    /// # Safety
    /// Nothing is ever mapped here, so there is nothing to call this with.
    pub(super) unsafe fn release(_start: NonNull<u8>, _bytes: usize) {}
}
