<?php

declare(strict_types=1);

namespace Purser;

/** Posts forms to the gateway. */
interface Poster
{
    /**
     * @param string $path such as `/auth.php`
     * @param array<string, string> $form
     * @return ?PostReply null where the gateway doesn't answer, or answers with something that is no JSON object
     */
    public function post(string $path, #[\SensitiveParameter] array $form, string $clientAddress): ?PostReply;
}
