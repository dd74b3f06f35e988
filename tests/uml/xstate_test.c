// Writes a traced child's registers as User Mode Linux does, with an area shorter than the CPU's: 576 octets, which is
// the legacy area and the XSAVE header. Exit code 0: accepted; 14 (EFAULT): refused; 99: something else went wrong.
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

enum { SHORT_AREA = 576, FCW = 0 };

int main(void)
{
	static unsigned char area[1 << 16];
	pid_t child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	int status;
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return 99;
	struct iovec all = { area, sizeof area };
	if (ptrace(PTRACE_GETREGSET, child, (void *)NT_X86_XSTATE, &all) != 0 || all.iov_len <= SHORT_AREA)
		return 99;
	// Only x87 state is given; its control word shows that it has arrived.
	area[512] = 1;
	memset(area + 513, 0, 7);
	area[FCW] = 0x7f;
	area[FCW + 1] = 0x02;
	struct iovec given = { area, SHORT_AREA };
	int refused = ptrace(PTRACE_SETREGSET, child, (void *)NT_X86_XSTATE, &given) == 0 ? 0 : errno;
	int arrived = 0;
	if (refused == 0) {
		memset(area, 0, sizeof area);
		arrived = ptrace(PTRACE_GETREGSET, child, (void *)NT_X86_XSTATE, &all) == 0 && area[FCW] == 0x7f &&
			  area[FCW + 1] == 0x02;
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	if (refused == 0 && !arrived)
		return 99;
	return refused;
}
