<?php

declare(strict_types=1);

namespace Purser;

/** Hands requests to the services. */
interface Publisher
{
    /**
     * Asks, and waits for the answer.
     *
     * @throws PublishError where there is none
     */
    public function call(Request $request): Reply;

    /**
     * Leaves a command with the broker and doesn't wait for its answer.
     *
     * @throws PublishError where the broker didn't confirm that it has it
     */
    public function send(Request $request): void;
}
