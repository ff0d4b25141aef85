<?php

declare(strict_types=1);

namespace Purser;

/** Unwinds to where the answer is given. */
final class Fault extends \RuntimeException
{
    public function __construct(public readonly Answer $answer)
    {
        parent::__construct($answer->json);
    }
}
