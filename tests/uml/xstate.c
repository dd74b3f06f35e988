// Preloaded into User Mode Linux where the CPU has more register state than it knows of (AMX: 8 KiB of tiles).
//
// User Mode Linux 6.1 restores a process's floating-point registers by PTRACE_SETREGSET, NT_X86_XSTATE, with 2,696
// octets. The host's kernel takes the whole XSAVE area or nothing (arch/x86/kernel/fpu/regset.c, xstateregs_set), so
// that on such a CPU the guest panics at its first process: "ptrace set fp regs failed, errno = 14". Here a short
// area is filled up with zeroes. XSTATE_BV, inside what is given, says that the rest is in its initial state.
//
// Everything else goes to the C library's ptrace as it came.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

static long (*libc_ptrace)(enum __ptrace_request, ...);

// Static: the stacks of User Mode Linux's kernel are too small for it.
static unsigned char area[1 << 16] __attribute__((aligned(64)));

// Before User Mode Linux replaces malloc, which dlsym may call.
__attribute__((constructor)) static void find_ptrace(void)
{
	libc_ptrace = dlsym(RTLD_NEXT, "ptrace");
}

static long set_xstate(pid_t pid, struct iovec *given)
{
	static size_t whole;
	if (whole == 0) {
		struct iovec all = { area, sizeof area };
		if (libc_ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &all) == 0)
			whole = all.iov_len;
	}
	if (given->iov_len >= whole)
		return libc_ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, given);
	memcpy(area, given->iov_base, given->iov_len);
	memset(area + given->iov_len, 0, whole - given->iov_len);
	struct iovec filled = { area, whole };
	return libc_ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &filled);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);
	if (request == PTRACE_SETREGSET && (unsigned long)address == NT_X86_XSTATE)
		return set_xstate(pid, data);
	return libc_ptrace(request, pid, address, data);
}
