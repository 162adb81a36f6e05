// A library for LD_PRELOAD that moves the wall clock of a process and of its children by TEST_CLOCK_SHIFT seconds; monotonic clocks stay.
//
// Go, the C library and the embedded engine each read the clock in their own way, and all end at the same functions: those that the kernel maps into every
// process (vDSO). These are overwritten here, in this process alone, with jumps to the functions below.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the jump below is written for x86-64"
#endif

static int64_t shift;

// Go calls these on its own stacks and threads: no thread-local storage, no errno, no library.
static long kernel(long number, void *a, void *b) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
  return result;
}

static int shifted_clock_gettime(clockid_t clock, struct timespec *at) {
  long result = kernel(SYS_clock_gettime, (void *)(intptr_t)clock, at);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI)) at->tv_sec += shift;
  return result;
}

static int shifted_gettimeofday(struct timeval *at, void *zone) {
  long result = kernel(SYS_gettimeofday, at, zone);
  if (result == 0 && at) at->tv_sec += shift;
  return result;
}

static time_t shifted_time(time_t *at) {
  struct timespec now;
  shifted_clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

// The kernel waits by its own clock: a deadline on the wall clock goes back to that. The bit says that the condition waits by the monotonic clock.
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
  static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  if (!real) real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  struct timespec deadline = *until;
  if ((condition->__data.__wrefs & 2) == 0) deadline.tv_sec -= shift;
  return real(condition, mutex, &deadline);
}

static void jump(char *from, void *to) {
  unsigned char code[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0}; // movabs rax, to; jmp rax
  memcpy(code + 2, &to, sizeof to);
  memcpy(from, code, sizeof code);
}

static void fail(const char *why) {
  fprintf(stderr, "clock.c: the clock cannot be moved: %s\n", why);
  _exit(70);
}

__attribute__((constructor)) static void install(void) {
  const char *text = getenv("TEST_CLOCK_SHIFT");
  if (!text) return;
  shift = strtoll(text, NULL, 10);
  char *image = (char *)getauxval(AT_SYSINFO_EHDR);
  if (!image) fail("this kernel maps no vDSO");
  ElfW(Phdr) *header = (void *)(image + ((ElfW(Ehdr) *)image)->e_phoff);
  ElfW(Dyn) *dynamic = NULL;
  char *bias = image;
  size_t size = 0;
  for (int i = 0; i < ((ElfW(Ehdr) *)image)->e_phnum; i++) {
    if (header[i].p_type == PT_LOAD) bias = image + header[i].p_offset - header[i].p_vaddr, size = header[i].p_memsz;
    if (header[i].p_type == PT_DYNAMIC) dynamic = (void *)(image + header[i].p_offset);
  }
  ElfW(Sym) *symbol = NULL;
  char *names = NULL;
  for (; dynamic && dynamic->d_tag; dynamic++) {
    if (dynamic->d_tag == DT_SYMTAB) symbol = (void *)(bias + dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_STRTAB) names = bias + dynamic->d_un.d_ptr;
  }
  if (!symbol || !names) fail("the vDSO has no symbols");
  size_t page = sysconf(_SC_PAGESIZE);
  size = (size + page - 1) / page * page;
  if (mprotect(image, size, PROT_READ | PROT_WRITE | PROT_EXEC)) fail("this kernel does not let the vDSO be written");
  int found = 0;
  for (; (char *)symbol < names; symbol++) { // the names stand behind the symbols
    const char *name = names + symbol->st_name;
    char *code = bias + symbol->st_value;
    if (!strcmp(name, "__vdso_clock_gettime")) jump(code, shifted_clock_gettime), found |= 1;
    if (!strcmp(name, "__vdso_gettimeofday")) jump(code, shifted_gettimeofday), found |= 2;
    if (!strcmp(name, "__vdso_time")) jump(code, shifted_time), found |= 4;
  }
  mprotect(image, size, PROT_READ | PROT_EXEC);
  if (found != 7) fail("the vDSO has not the three functions");
}
