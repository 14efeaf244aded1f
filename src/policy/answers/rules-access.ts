// Rules about a valid key that may not use this model or this endpoint: it stays in rotation for
// everything else. Sources: the error pages of OpenAI, Azure OpenAI, Gemini, Vertex AI, Bedrock,
// Ark, Zhipu, Workers AI and SiliconFlow.

import type { Rule, StatusTest } from './rule.ts';

/**
 * Statuses at which an answer is about the credential or its limits and so does not quote the
 * request at length.
 */
const REFUSED: readonly StatusTest[] = [400, 401, 403, 404, 429, 'stream'];

export const ACCESS_BY_WORDING: readonly Rule[] = [
  {
    verdict: 'model_access',
    reason: 'model_unavailable',
    status: REFUSED,
    says: [
      'does not have access to model',
      'does not have access to the model',
      "don't have access to the model",
      'or you do not have access',
      "or you don't have permission",
      'or your project does not have access',
      'that you have access to the model',
      'unable to access model',
      'selected model requires paid balance',
    ],
  },
  {
    verdict: 'model_access',
    reason: 'permission_denied',
    status: REFUSED,
    says: ['insufficient permissions for this operation', 'cachedcontent not found'],
  },
  {
    // Gemini: no allowance at all for this model. The delay in the same answer is void.
    verdict: 'model_access',
    reason: 'model_allowance',
    status: [429, 'stream'],
    says: ['quota exceeded for metric…limit: 0,', 'quota exceeded for metric…limit: 0\n'],
    sign: 'quota_zero',
  },
];

const ACCESS_STATUSES: readonly StatusTest[] = [401, 403, 404, 429, 'stream'];

export const ACCESS_BY_CODE: readonly Rule[] = [
  {
    verdict: 'model_access',
    reason: 'permission_denied',
    status: ACCESS_STATUSES,
    codes: [
      'permission_error',
      'accessdenied*',
      '*.accessdenied',
      'iam_permission_denied',
      // Azure's 401 for an Entra identity without the role.
      'permissiondenied',
      '*_service_blocked',
      '*_referrer_blocked',
      // The client's own OpenAI-Organization or OpenAI-Project header: a key of that organization
      // may follow.
      'mismatched_organization',
      'mismatched_project',
      'invalid_organization',
    ],
    numbers: { zhipu: [1220] },
  },
  {
    verdict: 'model_access',
    reason: 'model_unavailable',
    status: ACCESS_STATUSES,
    codes: [
      'modelnotopen',
      'deploymentnotfound',
      'invalidendpointormodel.notfound',
      'operationdenied.servicenotopen',
    ],
    numbers: { zhipu: [1311], cloudflare: [5016, 5018, 3041], siliconflow: [30011] },
    says: ['套餐暂未开放'],
  },
  {
    // Ark: the cap that the account's owner set for this model.
    verdict: 'model_access',
    reason: 'model_allowance',
    status: ACCESS_STATUSES,
    codes: ['setlimitexceeded'],
  },
];
