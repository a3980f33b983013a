// libFuzzer as a library: the caller has `main` (llvm.org/docs/LibFuzzer.html,
// "Using libFuzzer as a library").

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argument_count, char ***arguments,
                        int (*test_one_input)(const uint8_t *start, size_t count));
