<?php

declare(strict_types=1);

namespace Purser\Tests;

require __DIR__ . '/../../deploy/php/autoload.php';

/** A test can't run here; the message says what is missing. */
final class Skip extends \RuntimeException
{
}

/** A check failed. */
final class Failed extends \RuntimeException
{
}

/** The tests, in the order in which files declare them. */
final class Suite
{
    /** @var array<string, \Closure> */
    private static array $tests = [];

    public static function add(string $name, \Closure $test): void
    {
        self::$tests[$name] = $test;
    }

    /** Runs everything, prints a line for each, and returns the exit code. */
    public static function run(bool $skipIsFailure): int
    {
        [$number, $failed, $skipped] = [0, 0, 0];
        echo '1..' . count(self::$tests) . "\n";
        foreach (self::$tests as $name => $test) {
            $number++;
            try {
                $test();
                echo "ok $number - $name\n";
            } catch (Skip $skip) {
                $skipped++;
                $result = $skipIsFailure ? 'not ok' : 'ok';
                echo "$result $number - $name # SKIP {$skip->getMessage()}\n";
            } catch (\Throwable $error) {
                $failed++;
                $place = basename($error->getFile()) . ':' . $error->getLine();
                $text = get_class($error) . " at $place: {$error->getMessage()}";
                echo "not ok $number - $name\n# " . str_replace("\n", "\n# ", $text) . "\n";
            }
        }
        echo "# $number tests, $failed failed, " . ($skipped > 0 ? "!!! $skipped SKIPPED !!!" : '0 skipped') . "\n";

        return $failed > 0 || ($skipIsFailure && $skipped > 0) ? 1 : 0;
    }
}

function test(string $name, \Closure $test): void
{
    Suite::add($name, $test);
}

/** Compares by value and type; objects by what is in them. */
function same(mixed $expected, mixed $found, string $about = ''): void
{
    [$expected, $found] = [var_export($expected, true), var_export($found, true)];
    if ($expected !== $found) {
        throw new Failed(($about === '' ? '' : "$about: ") . "expected $expected\nfound    $found");
    }
}

/** Compares two JSON texts: the order of keys doesn't count, 10 and 10.0 are two things, and so are {} and []. */
function sameJson(string $expected, string $found, string $about = ''): void
{
    $sorted = static function (mixed $value) use (&$sorted): mixed {
        if ($value instanceof \stdClass) {
            $entries = (array) $value;
            ksort($entries, SORT_STRING);

            return (object) array_map($sorted, $entries);
        }

        return is_array($value) ? array_map($sorted, $value) : $value;
    };
    $read = static fn (string $json): mixed
        => $sorted(json_decode($json, false, flags: JSON_THROW_ON_ERROR | JSON_BIGINT_AS_STRING));
    same($read($expected), $read($found), $about);
}

function ok(bool $is, string $about): void
{
    if (!$is) {
        throw new Failed($about);
    }
}

/**
 * @template T of \Throwable
 * @param class-string<T> $kind
 * @return T
 */
function thrown(string $kind, callable $act): \Throwable
{
    try {
        $act();
    } catch (\Throwable $error) {
        if ($error instanceof $kind) {
            return $error;
        }
        throw $error;
    }
    throw new Failed("expected $kind, but nothing was thrown");
}

/** A variable of the environment that a test can't do without. */
function environment(string $name): string
{
    $value = getenv($name);

    return $value === false || $value === '' ? throw new Skip("$name is not set") : $value;
}
