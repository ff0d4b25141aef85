<?php

declare(strict_types=1);

namespace Purser;

/** An HTTP answer with a JSON body. */
final readonly class Answer
{
    /** @param array<string, string> $headers */
    public function __construct(public int $status, public string $json, public array $headers = [])
    {
    }

    /** Hands the answer to the web server. */
    public function emit(): void
    {
        http_response_code($this->status);
        header_remove('X-Powered-By');
        header('Content-Type: application/json');
        foreach ($this->headers as $name => $value) {
            header("$name: $value");
        }
        echo $this->json;
    }
}
