"""Exit statuses of the command line."""

OK = 0
FAILED = 1  # the job ran and a gate or its verdict failed (or, with a traceback, truenorth has a fault)
BAD_INPUT = 2  # refused before work started, with one line that says why
LOSSES = 3  # more errors, refusals or abstentions than the stated share
INTERRUPTED = 130  # Ctrl-C; the same command goes on from there
TERMINATED = 143  # SIGTERM, from a scheduler or a container; likewise

TABLE = """exit status:
  0    done
  1    done, and a gate or the verdict failed
  2    bad input, refused before work started
  3    more losses (errors, no answers) than allowed
  130  interrupted (143: terminated); the same command goes on
"""
