<?php

/**
 * A TCP proxy that misbehaves when it is told to: `php proxy.php host:port`.
 *
 * It prints `port <number>`, then `broker-closed` when the broker ends a connection. Commands come as lines on stdin
 * and are answered with `done`: `cut` closes all connections, `mute` drops what the broker says on those there are,
 * `blackhole` what either side says, `refuse` closes the next two connections at once. It ends with stdin.
 */

declare(strict_types=1);

final class Pair
{
    public string $mode = 'open';

    /**
     * @param resource $client
     * @param resource $broker
     */
    public function __construct(public $client, public $broker)
    {
    }

    /** @param resource $from */
    public function pass($from): bool
    {
        $bytes = fread($from, 65536);
        if ($bytes === '' || $bytes === false) {
            return false;
        }
        $passes = $from === $this->client ? $this->mode !== 'blackhole' : $this->mode === 'open';

        return !$passes || fwrite($from === $this->client ? $this->broker : $this->client, $bytes) !== false;
    }

    public function close(): void
    {
        fclose($this->client);
        fclose($this->broker);
    }
}

$listener = stream_socket_server('tcp://127.0.0.1:0');
echo 'port ', explode(':', stream_socket_get_name($listener, false))[1], "\n";
/** @var array<int, Pair> $pairs */
$pairs = [];
$refusals = 0;
while (true) {
    $sockets = array_merge(...array_map(static fn (Pair $pair): array => [$pair->client, $pair->broker], $pairs));
    $ready = [STDIN, $listener, ...$sockets];
    [$none, $nobody] = [null, null];
    stream_select($ready, $none, $nobody, null);
    foreach ($pairs as $id => $pair) {
        foreach ([$pair->broker, $pair->client] as $side) {
            if (isset($pairs[$id]) && in_array($side, $ready, true) && !$pair->pass($side)) {
                echo $side === $pair->broker ? "broker-closed\n" : '';
                $pair->close();
                unset($pairs[$id]);
            }
        }
    }
    if (in_array($listener, $ready, true)) {
        $client = stream_socket_accept($listener);
        if ($refusals > 0) {
            $refusals--;
            fclose($client);
        } else {
            $pairs[] = new Pair($client, stream_socket_client("tcp://$argv[1]"));
        }
    }
    if (in_array(STDIN, $ready, true)) {
        $command = fgets(STDIN);
        if ($command === false) {
            exit(0);
        }
        match (trim($command)) {
            'cut' => array_walk($pairs, static fn (Pair $pair) => $pair->close()),
            'refuse' => $refusals = 2,
            default => array_walk($pairs, static fn (Pair $pair) => $pair->mode = trim($command)),
        };
        $pairs = trim($command) === 'cut' ? [] : $pairs;
        echo "done\n";
    }
}
