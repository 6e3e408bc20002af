"""Print the peak memory (KB) of two training steps; arguments: records, parts."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tasks"))
import peak_memory
import small_step


def main():
    records, parts = sys.argv[1], int(sys.argv[2])
    params = small_step.load(records, "task.model.input_size=[640,640]")
    small = small_step.build(params, small_step.make_strategy(1), num_parts=parts)
    (batch,) = small_step.read_batches(params, 1)
    before = peak_memory.peak_kb()
    for _ in range(2):
        small.run(batch)
    print(peak_memory.peak_kb() - before)


if __name__ == "__main__":
    main()
