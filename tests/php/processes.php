<?php

declare(strict_types=1);

namespace Purser\Tests;

/** A PHP process beside the tests. It ends with this object. */
final class Process
{
    private const PATIENCE_SECONDS = 20;

    /** @var resource */
    private $process;
    /** @var array<int, resource> */
    private array $pipes = [];

    /**
     * @param list<string> $arguments of php
     * @param array<string, string> $environment beside the tests' own
     */
    public function __construct(array $arguments, array $environment = [])
    {
        $pipes = [0 => ['pipe', 'r'], 1 => ['pipe', 'w'], 2 => ['redirect', 1]];
        $this->process = proc_open([PHP_BINARY, ...$arguments], $pipes, $this->pipes, null, $environment + getenv());
    }

    public function __destruct()
    {
        proc_terminate($this->process);
        array_map(fclose(...), $this->pipes);
        proc_close($this->process);
    }

    /** Writes a line to the process. */
    public function tell(string $line): void
    {
        fwrite($this->pipes[0], "$line\n");
    }

    /** Reads lines until one matches, and returns its first group. */
    public function await(string $pattern): string
    {
        $until = microtime(true) + self::PATIENCE_SECONDS;
        while (microtime(true) < $until) {
            [$ready, $none, $nobody] = [[$this->pipes[1]], null, null];
            if (stream_select($ready, $none, $nobody, 1) !== 1) {
                continue;
            }
            $line = fgets($this->pipes[1]);
            if ($line === false) {
                throw new Failed("the process ended before it printed $pattern");
            }
            if (preg_match($pattern, $line, $parts)) {
                return $parts[1] ?? '';
            }
        }
        throw new Failed("the process didn't print $pattern in time");
    }
}

/** The misbehaving proxy in front of the broker. */
final class Proxy
{
    public readonly string $host;
    private readonly Process $process;

    public function __construct(string $broker)
    {
        $this->process = new Process([__DIR__ . '/proxy.php', $broker]);
        $this->host = '127.0.0.1:' . $this->process->await('/^port (\d+)/');
    }

    public function tell(string $command): void
    {
        $this->process->tell($command);
        $this->process->await('/^done/');
    }

    public function await(string $event): void
    {
        $this->process->await("/^$event/");
    }
}

/** PHP's own web server with deploy/php/s3.php. */
final class WebServer
{
    public readonly string $url;
    private readonly Process $process;

    /** @param array<string, string> $environment */
    public function __construct(array $environment = [])
    {
        $free = stream_socket_server('tcp://127.0.0.1:0');
        $address = stream_socket_get_name($free, false);
        fclose($free);
        $this->process = new Process(['-S', $address, '-t', __DIR__ . '/../../deploy/php'], $environment);
        $this->process->await('/started/');
        $this->url = "http://$address/s3.php";
    }
}

/** What a web server answered. */
final readonly class HttpReply
{
    /** @param array<string, string> $headers with lower-case names */
    public function __construct(public int $status, public array $headers, public string $body)
    {
    }
}

/**
 * A request over HTTP.
 *
 * @param list<string> $headers
 */
function http(string $method, string $url, array $headers = [], string $body = ''): HttpReply
{
    $found = [];
    $curl = curl_init($url);
    curl_setopt_array($curl, [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_NOBODY => $method === 'HEAD',
        CURLOPT_HTTPHEADER => [...$headers, 'Expect:'],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 60,
        CURLOPT_HEADERFUNCTION => static function ($curl, string $line) use (&$found): int {
            if (str_contains($line, ':')) {
                [$name, $value] = explode(':', $line, 2);
                $found[strtolower($name)] = trim($value);
            }

            return strlen($line);
        },
    ]);
    if ($body !== '') {
        curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
    }
    $answer = curl_exec($curl);
    if ($answer === false) {
        throw new Failed(strtok($url, '?') . ' doesn\'t answer: ' . curl_error($curl));
    }

    return new HttpReply(curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $found, (string) $answer);
}
