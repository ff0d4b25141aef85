<?php

declare(strict_types=1);

namespace Purser;

/** Parameters with brackets: a map that is a list where its keys count from zero. */
final class ParameterTree
{
    /** @var array<array-key, string|self> */
    private array $entries = [];
    private int $nextIndex = 0;

    /** @param non-empty-list<string> $path */
    public function insert(array $path, string $value): void
    {
        $first = array_shift($path);
        $key = $first === '' ? (string) $this->nextIndex : $first;
        if (preg_match('/^\+?[0-9]{1,18}$/D', $key)) {
            $this->nextIndex = max($this->nextIndex, (int) $key + 1);
        }
        if ($path === []) {
            $this->entries[$key] = $value;

            return;
        }
        if (!($this->entries[$key] ?? null) instanceof self) {
            $this->entries[$key] = new self();
        }
        $this->entries[$key]->insert($path, $value);
    }

    /** @return array<array-key, mixed> */
    public function entries(): array
    {
        return array_map(
            static fn (string|self $node): mixed => $node instanceof self ? $node->value() : $node,
            $this->entries,
        );
    }

    /** @return \stdClass|list<mixed> */
    private function value(): \stdClass|array
    {
        $entries = $this->entries();
        ksort($entries);

        return array_is_list($entries) ? $entries : (object) $entries;
    }
}
